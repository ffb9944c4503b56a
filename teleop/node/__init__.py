"""The node: what it runs, how that is configured, and who keeps it running."""
