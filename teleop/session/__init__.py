"""Decide who holds a robot: requests, signed grants, hand-over, revocation."""
