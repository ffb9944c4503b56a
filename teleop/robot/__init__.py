"""Decide what a robot is told: the side that runs beside it, trusts nobody, and ships alone."""
