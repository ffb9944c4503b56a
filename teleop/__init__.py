"""Decide what runs: the processes, the relay from hand to arm, the robot's side, the console."""

__version__ = "0.1.0"
