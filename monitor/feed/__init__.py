"""Anybody's recordings: read by libraries, named as the monitor names signals, played in time.

readers   a file becomes a recording: EDF, CSV, WFDB, npz; a row a kind of file
names     which of its channels is which signal, and what its unit is worth
player    a recording becomes messages, each when it is due
"""
