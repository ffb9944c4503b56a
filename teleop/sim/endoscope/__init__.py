"""Decide what the endoscope sees: one renderer for demo, training and tests, with exact labels."""
