"""Sockets, clocks, files and the loop: the only part of transport that touches the machine."""
