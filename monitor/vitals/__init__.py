"""Turn samples into beats, breaths and numbers: causal sensors, each for all patients at once."""
