"""Decide what a message is: its bytes, its version, and every way it can be refused."""
