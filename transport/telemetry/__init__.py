"""What a process leaves behind for others to read: boards of numbers, rings of records."""
