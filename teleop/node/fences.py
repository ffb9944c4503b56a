"""Says why the watchdog ended a process: the words that its flight ring has for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safety.watchdog import WORDS, Fault
from transport.io.living import Identity
from transport.io.mapping import Mapping
from transport.telemetry.flight import FlightReader
from transport.telemetry.header import TelemetryError

RING: Final = Path("flight") / "watchdogd.fence.ring"
MS: Final = 1_000_000


def why_fenced(run_dir: Path, whose: Identity) -> str:
    """Return the words for this very process; "" when the watchdog did not end it."""
    try:
        reader = FlightReader(Mapping.open(run_dir / RING).view)
    except (OSError, ValueError, TelemetryError):
        return ""
    for record in reversed(reader.records()):
        line = dict(zip(reader.fields, record, strict=True))
        if (line.get("pid"), line.get("start")) == whose:
            words = WORDS.get(Fault(line["fault"]), "") if line["fault"] in list(Fault) else ""
            return f"{words.format(line['age_ns'] / MS)}: fenced" if words else "fenced"
    return ""
