"""Takes evidence from the judge's process to the alarms': always all of it, never a difference.

What is said is everything that holds, when that changed, and each half second. So whoever starts
late, or missed something, knows all of it with the next judgement, and nothing has to be asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.alarms.condition import Condition, Evidence
from monitor.alarms.messages import HELD, HELD_MAX, Holding

MS: Final = 1_000_000
REPEAT_NS: Final = 500 * MS
#: All conditions of all beds that a node may have.
PARTS_MAX: Final = 512
_US: Final = 1000


def digest(beds: Sequence[str]) -> int:
    """Return what tells one list of beds from another."""
    return zlib.crc32("".join(f"{bed}\n" for bed in beds).encode())


class Teller:
    """Says what holds.

    Parameters
    ----------
    beds : their places, in the order of the evidence
    incarnation : another for each judge
    start_ns : since when it judges
    """

    def __init__(self, beds: Sequence[str], incarnation: int, start_ns: int) -> None:
        self._beds = digest(beds)
        self._incarnation = incarnation
        self._start_ns = start_ns
        self._tick = 0
        self._told = np.zeros((len(beds), len(Condition)), np.bool_)
        self._due_ns = start_ns

    def tell(self, evidence: Evidence, now_ns: int) -> list[Holding]:
        """Return what is to be said now, if anything is."""
        if now_ns < self._due_ns and np.array_equal(evidence.holds, self._told):
            return []
        self._due_ns = now_ns + REPEAT_NS
        self._told[:] = evidence.holds
        self._tick += 1
        table = _table(evidence, now_ns)
        parts = range(0, max(1, len(table)), HELD_MAX)
        return [
            Holding(
                68,
                self._beds,
                self._incarnation,
                self._tick,
                (now_ns - self._start_ns) // MS,
                part,
                len(parts),
                table[first : first + HELD_MAX].tobytes(),
            )
            for part, first in enumerate(parts)
        ]


class Judged:
    """What was said of all patients, put together from its parts.

    Parameters
    ----------
    beds : as the judge has them

    Attributes
    ----------
    heard_ns : when the last judgement was complete, None before the first
    refused : messages that were none of this ward's
    """

    def __init__(self, beds: Sequence[str]) -> None:
        self._beds = digest(beds)
        self._patients = len(beds)
        self._parts: dict[int, Holding] = {}
        self.heard_ns: int | None = None
        self.refused = 0

    def receive(self, part: Holding, now_ns: int) -> Evidence | None:
        """Take a part; return all that holds, onsets in our time, when it is the last missing."""
        if part.beds != self._beds or not part.part < part.parts <= PARTS_MAX:
            self.refused += 1
            return None
        first = next(iter(self._parts.values()), part)
        if _judgement(first) != _judgement(part):
            self._parts.clear()
        self._parts[part.part] = part
        if len(self._parts) < part.parts:
            return None
        table = np.concatenate(
            [np.frombuffer(p.table[: len(p.table) // 16 * 16], HELD) for p in self._parts.values()]
        )
        self._parts.clear()
        if np.any(table["patient"] >= self._patients) or np.any(table["condition"] >= _CONDITIONS):
            self.refused += 1
            return None
        self.heard_ns = now_ns
        return self._evidence(table, now_ns)

    def _evidence(self, table: NDArray[np.void], now_ns: int) -> Evidence:
        found = Evidence.of(self._patients)
        at = table["patient"], table["condition"]
        found.holds[at] = True
        found.onset_ns[at] = now_ns - np.clip(table["age_us"], 0, now_ns // _US) * _US
        found.value[at] = table["value"]
        return found


_CONDITIONS: Final = len(Condition)


def _judgement(part: Holding) -> tuple[int, int, int]:
    return part.incarnation, part.tick, part.parts


def _table(evidence: Evidence, now_ns: int) -> NDArray[np.void]:
    at = np.nonzero(evidence.holds)
    table = np.zeros(len(at[0]), HELD)
    table["patient"], table["condition"] = at
    table["value"] = evidence.value[at]
    table["age_us"] = (now_ns - evidence.onset_ns[at]) // _US
    return table
