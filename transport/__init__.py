"""Decide how bytes travel: wire, links, sockets, telemetry; patient and robot are unknown here."""

__version__ = "0.1.0"
