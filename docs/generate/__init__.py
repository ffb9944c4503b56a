"""Writes the protocol's reference and its test vectors from the code, so that they cannot differ.

    protocol.template.md   the prose, by hand, with a mark where a table belongs
    fields.py              what a message's fields are: types from the code, words from docstrings
    tables.py              every table and number that a mark may ask for
    hexview.py             bytes with their meaning beside them
    story.py               one session from its request to its last state, always with the same keys
    refusals.py            bytes that are no message
    vectors.py             both, and datagrams, as vectors.json
    alarms.py              the conditions of docs/alarms.md, whose prose is by hand
    faults.py              the fault matrix beside what its virtual worlds showed

`make docs` writes `docs/protocol.md`, `docs/vectors.json`, `docs/fault-matrix.md` and the table in
`docs/alarms.md`; tests hold them to this.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from docs.generate import alarms, tables, vectors

FOLDER = Path(__file__).parent
_MARK = re.compile(r"<!-- (\w+)((?: \w+)*) -->")
_NUMBER = re.compile(r"\{(\w+)\}")


def render() -> dict[Path, str]:
    """Return every generated file's text by its path."""
    return {
        FOLDER.parent / "protocol.md": protocol(),
        alarms.PAGE: alarms.build(),
        FOLDER.parent / "vectors.json": json.dumps(vectors.build(), indent=1) + "\n",
    }


def protocol() -> str:
    """Fill the template: `<!-- table argument -->` by a table, `{name}` by a number."""
    text = (FOLDER / "protocol.template.md").read_text()
    text = _MARK.sub(lambda mark: tables.TABLES[mark[1]](*mark[2].split()), text)
    return _NUMBER.sub(lambda number: tables.NUMBERS[number[1]], text)
