"""What a node keeps of itself: its tapes and flight rings, copied into MCAP files."""
