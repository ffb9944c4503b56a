"""Compiles numeric kernels, and keeps what was compiled: for every floor above."""
