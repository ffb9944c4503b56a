"""Turn samples into samples: streaming kernels with explicit state, one row per channel."""
