"""What a link decides: newest wins, how old, how far, how often, how much. All pure."""
