"""What a file holds: channels, each with its own rate, that begin together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class FeedFault(ValueError):
    """A file is not a recording as it is expected here; says what was expected."""


class Channel(NamedTuple):
    """One signal.

    Parameters
    ----------
    name, unit : as the file says
    rate_hz : of the samples
    x : (n,) float32, in the file's unit; NaN where there is no sample
    """

    name: str
    unit: str
    rate_hz: float
    x: NDArray[np.float32]

    @property
    def lasts_s(self) -> float:
        """Its length."""
        return float(len(self.x) / self.rate_hz)
