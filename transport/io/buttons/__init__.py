"""The kinds of wired buttons, one file each: `open_button` makes one (transport.io.button)."""
