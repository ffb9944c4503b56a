"""Measure Trocar, and its peers in the same minutes, and say how sure the numbers are."""
