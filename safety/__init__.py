"""Decide what is allowed: who may move a robot, how far, and for how long nobody may be heard."""

__version__ = "0.1.0"
