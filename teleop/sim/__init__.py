"""Decide how a robot that is not there would move."""
