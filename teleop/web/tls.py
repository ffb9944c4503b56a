"""Makes TLS of the hospital's own certificate: 1.3 and nothing older, a key that is ours alone."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path


class TlsFault(Exception):
    """The certificate or its key cannot be used; the text is for a person."""


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """Read a PEM certificate (its chain behind it) and its PEM key.

    Raises
    ------
    TlsFault : not there, not a pair, or a key that others can read
    """
    try:
        mode = os.stat(key).st_mode
    except OSError as error:
        raise TlsFault(f"{key}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise TlsFault(f"{key} is open to others (mode {stat.S_IMODE(mode):04o}): chmod 600 {key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # An encrypted key would ask the terminal for its password; nobody sits there.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise TlsFault(
            f"{certificate} and {key} are no certificate and its key: {error}"
        ) from error
    return context
