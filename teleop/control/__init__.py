"""Decide how a hand's motion becomes an instrument's: kernels, pure, shared by robot and simulator."""
