"""Decide how a hand's motion becomes an instrument's: kernels, shared by robot and simulator."""
