"""Where a picture stands still on its way: camera, encoder, network or viewer, by name.

Each stage says which frame was the newest to pass it. A stage that does not follow the one before
it for longer than its limit is where the picture stands still; the first such stage is named, for
those behind it only wait. A camera that goes on but shows the same to the last bit is frozen too:
a sensor has noise.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

MS: Final = 1_000_000


class Stage(IntEnum):
    """The way of a picture, in its order."""

    CAMERA = 0  #: delivered by its source
    ENCODER = 1
    SENDER = 2  #: handed to the network for the viewer
    VIEWER = 3  #: shown, as the viewer says


class Standstill(IntEnum):
    """What is wrong, in the words of an alarm. Numbers are on the wire: append, never renumber."""

    NONE = 0
    CAMERA_DEAD = 1
    CAMERA_FROZEN = 2
    ENCODER_STUCK = 3
    SENDER_STUCK = 4
    VIEWER_STUCK = 5


_OF_STAGE: Final = {
    Stage.CAMERA: Standstill.CAMERA_DEAD,
    Stage.ENCODER: Standstill.ENCODER_STUCK,
    Stage.SENDER: Standstill.SENDER_STUCK,
    Stage.VIEWER: Standstill.VIEWER_STUCK,
}
#: So long a stage may lag behind the one before it, and the camera behind time.
LIMIT_NS: Final = 250 * MS
#: So many frames without a changed bit are no live sensor's.
SAME_MAX: Final = 10


class Freshness:
    """The way of one camera's pictures to one viewer."""

    def __init__(self, now_ns: int) -> None:
        self._newest = [0] * len(Stage)
        self._since_ns = [now_ns] * len(Stage)  # since when the stage has lagged, or was fresh last
        self._digest = b""
        self._same = 0

    def passed(self, stage: Stage, frame_id: int, now_ns: int) -> None:
        """Note that a frame has passed a stage; ids of one camera only grow."""
        if frame_id == self._newest[stage]:
            return
        self._newest[stage] = frame_id
        self._since_ns[stage] = now_ns

    def looked(self, digest: bytes) -> None:
        """Take a check sum over a captured picture's pixels."""
        self._same = self._same + 1 if digest == self._digest else 0
        self._digest = digest

    def standstill(self, now_ns: int) -> Standstill:
        """Name what stands still first, if anything does."""
        if now_ns - self._since_ns[Stage.CAMERA] > LIMIT_NS:
            return Standstill.CAMERA_DEAD
        if self._same >= SAME_MAX:
            return Standstill.CAMERA_FROZEN
        for stage in (Stage.ENCODER, Stage.SENDER, Stage.VIEWER):
            behind = self._newest[stage] != self._newest[stage - 1]
            if behind and now_ns - self._since_ns[stage] > LIMIT_NS:
                return _OF_STAGE[stage]
        return Standstill.NONE
