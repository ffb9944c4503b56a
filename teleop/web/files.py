"""The files that a browser is given, read once, and what is said beside each answer.

No path of a request ever touches the disk: what is not in this table is not there.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

PAGES: Final = Path(__file__).parent / "pages"
KINDS: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
FIRST: Final = "observer.html"
#: Beside every answer: nothing from elsewhere, nothing inline, in nobody's frame.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",  # with the one above: a clock of 5 us
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), fullscreen=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Server": "trocar",
}


class File(NamedTuple):
    """A file as it is served: its bytes, their kind, and the tag of this content."""

    data: bytes
    kind: str
    tag: str


def load() -> dict[str, File]:
    """Read every file, by the path it is asked for."""
    files = {f"/{path.name}": _read(path) for path in PAGES.iterdir() if path.suffix in KINDS}
    return {"/": files.pop(f"/{FIRST}"), **files}


def _read(path: Path) -> File:
    data = path.read_bytes()
    return File(data, KINDS[path.suffix], f'"{hashlib.sha256(data).hexdigest()[:32]}"')
