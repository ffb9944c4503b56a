"""What a camera is: something that is asked for its newest picture, and never waited for.

One file a kind, in `transport/io/cameras`, named in node.toml by its module path: `open_camera` of
that module makes it.
"""

from __future__ import annotations

import importlib
from typing import Annotated, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from transport.io.process import Runtime

SIZE_MAX = 4096


class CameraSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera of a node.

    Parameters
    ----------
    module : the kind: a module of `transport.io.cameras`, or one of yours
    number : its part of frame ids, 0...65535
    url : what that kind opens: a ring's name, a device, a file, an address
    width, height, rate_hz : of its pictures, where the kind can be told
    """

    module: str
    number: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = 0
    url: str = ""
    width: Annotated[int, msgspec.Meta(ge=16, le=SIZE_MAX, multiple_of=2)] = 1280
    height: Annotated[int, msgspec.Meta(ge=16, le=SIZE_MAX, multiple_of=2)] = 720
    rate_hz: Annotated[int, msgspec.Meta(ge=1, le=240)] = 30


class Shot(NamedTuple):
    """A picture as a camera took it.

    Parameters
    ----------
    pixels : I420, (height * 3 // 2, width) uint8; nobody writes to it any more
    frame_id : of transport.media.picture
    captured_ns : on this process's clock; never later than it was taken
    """

    pixels: NDArray[np.uint8]
    frame_id: int
    captured_ns: int


class Camera(Protocol):
    """A kind of camera.

    Attributes
    ----------
    is_sensor : its pictures have a sensor's noise: two that are equal to the last bit are one
    """

    is_sensor: bool

    def newest(self) -> Shot | None:
        """Return the newest picture, None if there is none since the last call."""

    def close(self) -> None:
        """Let go of it."""


class CameraFault(Exception):
    """A camera that cannot be opened; the text says which, and what to do."""


def open_camera(settings: CameraSettings, runtime: Runtime) -> Camera:
    """Make the camera that settings describe.

    Raises
    ------
    CameraFault
    """
    try:
        module = importlib.import_module(settings.module)
    except ImportError as error:
        raise CameraFault(f"camera module {settings.module!r}: {error}") from error
    camera: Camera = module.open_camera(settings, runtime)
    return camera
