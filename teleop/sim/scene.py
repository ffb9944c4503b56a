"""What there is to see at one instant: the simulator's true poses, for the endoscope's picture.

It crosses processes in a frame ring, which carries its age; so there is no time in it. Truth, not
measurement: nothing on the control path reads it.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Points of an instrument, in W: remote centre, wrist pitch axis, wrist yaw axis, left finger's
#: tip, right finger's tip.
POINTS: Final = 5
ARMS_MAX, OBJECTS_MAX = 4, 32
_HEAD = struct.Struct("<HHI")
BYTES_MAX: Final = _HEAD.size + 8 * (ARMS_MAX * POINTS * 3 + OBJECTS_MAX * 7)


class Scene(NamedTuple):
    """One instant.

    Parameters
    ----------
    instruments : (n_arms, 5, 3) float64, m, in W (see `POINTS`)
    objects : (n_objects, 7) float64, X_WO: position m, quaternion wxyz
    placed : objects that the task counts as transferred
    """

    instruments: NDArray[np.float64]
    objects: NDArray[np.float64]
    placed: int


def pack(scene: Scene) -> bytes:
    """Write a scene: u16 arms, u16 objects, u32 placed, then the arrays, little-endian float64."""
    head = _HEAD.pack(len(scene.instruments), len(scene.objects), scene.placed)
    return head + scene.instruments.tobytes() + scene.objects.tobytes()


def unpack(data: bytes) -> Scene:
    """Read a scene.

    Raises
    ------
    ValueError : its size does not fit what it says it holds
    """
    if len(data) < _HEAD.size:
        raise ValueError(f"{len(data)} bytes are no scene")
    arms, objects, placed = _HEAD.unpack_from(data)
    split = arms * POINTS * 3
    if len(data) != _HEAD.size + 8 * (split + objects * 7):
        raise ValueError(f"{len(data)} bytes for {arms} arms and {objects} objects")
    values = np.frombuffer(data, "<f8", offset=_HEAD.size)
    return Scene(
        values[:split].reshape(arms, POINTS, 3), values[split:].reshape(objects, 7), placed
    )
