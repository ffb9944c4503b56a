"""Where a point of the world lands in the picture, and along which ray a pixel looks.

The camera's frame C is OpenCV's: x right, y down, z forward, the eye at its origin. The lens is a
pinhole without distortion. The centre of pixel (column, row) is at u = column, v = row; depth is
along z, so a ray is (x, y, 1) times depth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim import world

Floats = NDArray[np.float64]


class Camera(NamedTuple):
    """A pinhole camera.

    Parameters
    ----------
    R_WC : (3, 3) float64: the columns are the camera's right, down, forward in W
    p_WC : (3,) float64, m: the eye
    width, height : of the picture, pixels, both even
    fovy_rad : vertical field of view
    """

    R_WC: Floats
    p_WC: Floats
    width: int
    height: int
    fovy_rad: float

    @property
    def lens(self) -> tuple[float, float, float]:
        """Focal length, and the principal point's u and v, in pixels."""
        focal = 0.5 * self.height / math.tan(0.5 * self.fovy_rad)
        return focal, 0.5 * (self.width - 1), 0.5 * (self.height - 1)

    def see(self, p_W: Floats) -> Floats:
        """Return points (..., 3) of W in the camera's frame C."""
        return np.asarray((p_W - self.p_WC) @ self.R_WC)

    def project(self, p_W: Floats) -> Floats:
        """Return where points of W land: (..., 3) -> (..., 3) float64 of u, v, depth (m).

        A point that is not in front of the eye (depth <= 0) has no place: its u, v are NaN.
        """
        p_C = self.see(p_W)
        focal, u0, v0 = self.lens
        depth = p_C[..., 2]
        ahead = np.where(depth > 0.0, depth, np.nan)
        u, v = focal * p_C[..., 0] / ahead + u0, focal * p_C[..., 1] / ahead + v0
        return np.stack((u, v, depth), -1)

    def quaternion(self) -> tuple[float, float, float, float]:
        """Return R_WC as a unit quaternion wxyz, w >= 0."""
        r, trace = self.R_WC, float(self.R_WC.trace())
        # The largest component is the one to divide by (Shepperd 1978).
        largest = int(np.argmax((trace, r[0, 0], r[1, 1], r[2, 2])))
        q = np.empty(4)
        if largest == 0:
            q[0], q[1], q[2] = 1.0 + trace, r[2, 1] - r[1, 2], r[0, 2] - r[2, 0]
            q[3] = r[1, 0] - r[0, 1]
        else:
            a, b, c = largest - 1, largest % 3, (largest + 1) % 3
            q[0], q[1 + a] = r[c, b] - r[b, c], 1.0 + 2.0 * r[a, a] - trace
            q[1 + b], q[1 + c] = r[a, b] + r[b, a], r[a, c] + r[c, a]
        w, x, y, z = q * (math.copysign(1.0, q[0]) / math.sqrt(float(q @ q)))
        return float(w), float(x), float(y), float(z)


def look(view: world.View, width: int, height: int, right_m: float = 0.0) -> Camera:
    """Stand a camera at `view`, its picture's x as level as W's, moved `right_m` along it.

    The two eyes of a stereo endoscope are at -BASELINE/2 and +BASELINE/2, their axes parallel.

    Raises
    ------
    ValueError : an odd or empty picture; a view straight up or down, or from its own target
    """
    if width < 2 or height < 2 or width % 2 or height % 2:
        raise ValueError(f"a picture has even sides of 2 pixels and more, not {width} x {height}")
    eye = np.array(view.eye)
    forward = np.array(view.target) - eye
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if not np.linalg.norm(right) > 1e-9:
        raise ValueError(f"no direction is level in a view from {view.eye} to {view.target}")
    forward /= np.linalg.norm(forward)
    right /= np.linalg.norm(right)
    R_WC = np.stack((right, np.cross(forward, right), forward), 1)
    return Camera(R_WC, eye + right_m * right, width, height, math.radians(view.fovy_deg))
