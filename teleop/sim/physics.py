"""Steps the operating field: the one place that knows MuJoCo, and that holds its state.

Rules
-----
- What leaves is a copy. An arm moves by torque alone: no position is written after the start.
- A warning of the engine is counted, and never answered with a reset. After one that says that
  numbers are lost nothing moves any more. It is not written to a file in whatever folder we are in.
"""

from __future__ import annotations

from typing import Final

import mujoco  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from teleop.sim import model, world
from teleop.sim.endoscope import tissue

Array = NDArray[np.float64]

#: Between two heights of the tissue, m: its shortest wave is 15 mm long.
CELL: Final = 0.004
_LOST: Final = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
    mujoco.mjtWarning.mjWARN_BADCTRL,
)


mujoco.set_mju_user_warning(lambda _: None)  # they are counted in the data


class Physics:
    """The field's bodies.

    Parameters
    ----------
    home : (arms, JOINTS) float64, where the joints start; jaws are closed

    Attributes
    ----------
    q, qd : (arms, DOFS) float64, joints and their speeds after the last step: rad, m, and a second
    bias : (arms, DOFS) float64, torques that gravity and Coriolis forces ask for, after `begin`
    tips : (arms, 3) float64, m, in W: the control points, where the engine has them, after `begin`
    torque : (arms, DOFS) float64, to be written between `begin` and `finish`: N m, N
    warnings : how many the engine has given
    is_broken : numbers were lost; no step moves anything
    """

    def __init__(self, home: Array) -> None:
        arms = len(home)
        self._model = _compile(arms)
        self._data = mujoco.MjData(self._model)
        self._driven = arms * model.DOFS
        start = self._data.qpos[: self._driven].reshape(arms, model.DOFS)
        start[:, : model.JOINTS] = home
        mujoco.mj_forward(self._model, self._data)
        self.q, self.qd = start.copy(), np.zeros_like(start)
        self.bias, self.torque = np.zeros_like(start), np.zeros_like(start)
        self.tips = np.zeros((arms, 3))
        self._sites = [self._model.site(f"tip_{arm}").id for arm in range(arms)]
        self.warnings = 0
        self.is_broken = False

    @property
    def objects(self) -> Array:
        """Where the objects are: (objects, 7) float64, X_WO, position m and quaternion wxyz."""
        return np.array(self._data.qpos[self._driven :]).reshape(-1, 7)

    @property
    def contacts(self) -> int:
        """How many contacts there were in the last step."""
        return int(self._data.ncon)

    def begin(self) -> None:
        """Find what the present state asks of the drives."""
        if not self.is_broken:
            mujoco.mj_step1(self._model, self._data)
            np.copyto(self.bias.reshape(-1), self._data.qfrc_bias[: self._driven])
            np.take(self._data.site_xpos, self._sites, axis=0, out=self.tips)

    def finish(self) -> bool:
        """Step on by `model.STEP_NS` with what is in `torque`; False: the engine warned."""
        if self.is_broken:
            return False
        self._data.ctrl[:] = self.torque.reshape(-1)
        mujoco.mj_step2(self._model, self._data)
        np.copyto(self.q.reshape(-1), self._data.qpos[: self._driven])
        np.copyto(self.qd.reshape(-1), self._data.qvel[: self._driven])
        return self._is_well()

    def _is_well(self) -> bool:
        counts = self._data.warning.number
        warnings = int(counts.sum())
        if warnings == self.warnings:
            return True
        self.warnings = warnings
        self.is_broken = any(counts[kind] for kind in _LOST)
        return False


def _compile(arms: int) -> mujoco.MjModel:
    heights = tissue.heights(cell=CELL)
    low, high = float(heights.min()), float(heights.max())
    at_pegs = tuple(_height(heights, peg) for peg in world.PEGS)
    text = model.write(arms, model.Ground(len(heights), low, high, at_pegs))
    compiled = mujoco.MjModel.from_xml_string(text)
    compiled.hfield_data[:] = ((heights - low) / (high - low)).reshape(-1)
    return compiled


def _height(heights: Array, peg: world.Peg) -> float:
    row, column = (round((at + world.TISSUE_HALF) / CELL) for at in (peg.y, peg.x))
    return float(heights[row, column])
