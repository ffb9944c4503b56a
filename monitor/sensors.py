"""The sensors of a ward where nothing else is said: module paths, light to import.

What a row must be is said in `monitor.vitals.seam`.
"""

from __future__ import annotations

from typing import Final

SENSORS: Final = (
    "monitor.vitals.heart",
    "monitor.vitals.ppg",
    "monitor.vitals.spo2",
    "monitor.vitals.abp",
    "monitor.vitals.resp",
)
