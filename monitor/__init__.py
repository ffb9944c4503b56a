"""Decide what is sensed: vital signs, alarms, what the endoscope sees."""

__version__ = "0.1.0"
