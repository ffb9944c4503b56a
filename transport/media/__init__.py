"""Decide what a picture is between processes: its layout, its name, and who has seen it."""
