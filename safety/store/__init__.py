"""What must survive a restart, on disk: the only part of safety that touches the system."""
