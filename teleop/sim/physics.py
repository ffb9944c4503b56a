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
    is_broken : numbers were lost; no step moves anything
    """

    def __init__(self, home: Array) -> None:
        arms = len(home)
        self._model = _compile(arms)
        self._data = mujoco.MjData(self._model)
        driven, shape = arms * model.DOFS, (arms, model.DOFS)
        # The engine's own memory: to ask it for each costs a microsecond.
        self._q: Array = self._data.qpos[:driven].reshape(shape)
        self._qd: Array = self._data.qvel[:driven].reshape(shape)
        self._bias: Array = self._data.qfrc_bias[:driven].reshape(shape)
        self._torque: Array = self._data.ctrl.reshape(shape)
        self._tips: Array = self._data.site_xpos.reshape(arms, -1, 3)[:, 0]
        self._objects: Array = self._data.qpos[driven:].reshape(-1, 7)
        self._counts: NDArray[np.intc] = self._data.warning.number
        self._q[:, : model.JOINTS] = home
        mujoco.mj_forward(self._model, self._data)
        for positions in (self._q, self._objects):
            positions.flags.writeable = False  # from now on they are the engine's alone
        self.q, self.qd = self._q.copy(), self._qd.copy()
        self.bias, self.torque = np.zeros(shape), np.zeros(shape)
        self.tips = self._tips.copy()
        self._seen: bytes = self._counts.tobytes()
        self.is_broken = False

    @property
    def warnings(self) -> int:
        """How many the engine has given."""
        return int(self._counts.sum())

    @property
    def objects(self) -> Array:
        """Where the objects are: (objects, 7) float64, X_WO, position m and quaternion wxyz."""
        return self._objects.copy()

    @property
    def contacts(self) -> int:
        """How many contacts there were in the last step."""
        return int(self._data.ncon)

    def begin(self) -> None:
        """Find what the present state asks of the drives."""
        if not self.is_broken:
            mujoco.mj_step1(self._model, self._data)
            np.copyto(self.bias, self._bias)
            np.copyto(self.tips, self._tips)

    def finish(self) -> bool:
        """Step on by `model.STEP_NS` with what is in `torque`; False: the engine warned."""
        if self.is_broken:
            return False
        np.copyto(self._torque, self.torque)
        mujoco.mj_step2(self._model, self._data)
        np.copyto(self.q, self._q)
        np.copyto(self.qd, self._qd)
        seen: bytes = self._counts.tobytes()
        is_well = seen == self._seen
        if not is_well:
            self._seen = seen
            self.is_broken = any(self._counts[kind] for kind in _LOST)
        return is_well


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
