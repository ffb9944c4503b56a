"""Kinds of cameras, one a file; see `transport.io.camera`."""
