"""Decides each drive's torque: a smooth reference, followed; a stop with a ramp; brakes.

From setpoint to torque
-----------------------
    setpoint's joints  --(1)-->  smooth  --(2)-->  reference  --(3)-->  torque

1. The newest setpoint is sampled once a step and averaged over 4 steps, twice: a triangle of
   7 steps. It is late by exactly `DELAY_STEPS`, whatever moves how; setpoints of 250, 500 or
   1000 Hz give the same ramp without steps in it; and one that stands still is met exactly, after
   7 steps. Nothing is extrapolated.
2. Within the joints' speeds the reference is the smooth path, untouched. What leaps is followed at
   `RATES` and `DECELERATIONS`, by the largest speed from which it can still stop in time.
3. PD against the reference, with gravity and Coriolis forces compensated and a ramp's acceleration
   fed forward; no more than the drive gives. The speed fed forward is the setpoint's own as far as
   the path bears it out, else the path's: what is said of a setpoint that stands moves nothing.

Stops are ramps of the reference: all joints slow down together, so the tip stays on its path.
A brake is a lock with the drive's torque as its strength: it closes under the load it finds, holds
stiffly, and slips beyond its strength.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from teleop.sim.model import DOFS, DRIVES, JOINTS, STEP_NS
from transport.kernel.jit import jit

Array = NDArray[np.float64]

#: Six joints and the jaw, as setpoints name them; the drives have two fingers for the jaw.
AXES: Final = JOINTS + 1
JAW: Final = JOINTS
STEP_S: Final = STEP_NS * 1e-9

#: The triangle: two averages over 4 steps, the longest period of setpoints in common use.
WEIGHTS: Final = (1 / 16, 2 / 16, 3 / 16, 4 / 16, 3 / 16, 2 / 16, 1 / 16)
TAPS: Final = len(WEIGHTS)
DELAY_STEPS: Final = 3
#: The tip follows a setpoint by this much: the triangle's delay. Setpoints are taken when they
#: come, and count from the next step on: up to a millisecond more, half of one on average.
STATED_DELAY_S: Final = DELAY_STEPS * STEP_S

#: rad/s, m/s: yaw, pitch, insertion, roll, wrist pitch, wrist yaw, jaw. The outer three are chosen
#: so that 0.5 m/s, the fastest tip of safety.limits' defaults, can be followed 0.17 m from the
#: remote centre; the others are the dVRK's (1080 deg/s, jaw 720 deg/s).
RATES: Final = (3.0, 3.0, 0.6, 18.85, 18.85, 18.85, 12.57)
#: rad/s^2, m/s^2: from its rate a joint stands within `STOP_S`.
DECELERATIONS: Final = (30.0, 30.0, 6.0, 190.0, 190.0, 190.0, 126.0)
STOP_S: Final = 0.100
#: What that is at the tip, 0.1 m or more from the remote centre: at least this.
TIP_DECELERATION: Final = 3.0
#: After the reference stands, until the brakes close: the arm itself has come to rest.
SETTLE_STEPS: Final = 20

#: How far the path's speed may depart from its trend, which no joint exceeds: by so many steps of
#: `DECELERATIONS`, and by this share of the trend; a setpoint that came a millisecond late is not a
#: leap, but makes a quarter of the speed.
_ROUGH_STEPS: Final = 2.0
_ROUGH_SHARE: Final = 0.3
#: How far a speed that was said may differ from the path's and be believed.
_BELIEF: Final = 0.5

#: Nominal inertia at each drive, kg m^2, kg: `DRIVES` half-way in, about the remote centre.
INERTIA: Final = (0.080, 0.080, 0.715, 6.5e-4, 3.2e-4, 3.1e-4, 1.0e-4, 1.0e-4)
#: 25 Hz, critically damped: the highest that 1 kHz and half of the nominal inertia leave stable.
_OMEGA: Final = 2.0 * math.pi * 25.0
#: A finger is softer, as its cables are: what it grips is held by 3 N with a jaw of 0, and by all
#: that the drive gives with one well below, as the dVRK does it.
_OMEGA_FINGER: Final = 2.0 * math.pi * 6.0
_OMEGAS: Final = (_OMEGA,) * JOINTS + (_OMEGA_FINGER,) * (DOFS - JOINTS)
STIFFNESS: Final = tuple(i * w * w for i, w in zip(INERTIA, _OMEGAS, strict=True))
DAMPING: Final = tuple(2.0 * i * w for i, w in zip(INERTIA, _OMEGAS, strict=True))
TORQUE_MAX: Final = tuple(drive.torque_max for drive in DRIVES)
_FRICTION: Final = tuple(drive.damping for drive in DRIVES)


class Mode(IntEnum):
    """What an arm's drives do; higher permits more motion, and only CLEAR leads higher."""

    BRAKED = 0  #: brakes on, no power
    STANDING = 1  #: at rest under power; follows nothing
    BRAKING = 2  #: slowing down under power, then brakes
    EASING = 3  #: slowing down under power, then standing
    FOLLOWING = 4  #: follows setpoints


class Event(IntEnum):
    """What changes it."""

    POWER_OFF = 0  #: stop of category 0, or a fault
    STOP = 1  #: category 1
    HALT = 2  #: category 2
    SILENCE = 3  #: no accepted setpoint for too long
    STANDSTILL = 4  #: the ramp has ended and the arm has settled
    CLEAR = 5  #: the one event that raises


TABLE: Final[dict[Mode, dict[Event, Mode]]] = {
    Mode.BRAKED: {
        Event.POWER_OFF: Mode.BRAKED,
        Event.STOP: Mode.BRAKED,
        Event.HALT: Mode.BRAKED,
        Event.CLEAR: Mode.FOLLOWING,
    },
    Mode.STANDING: {
        Event.POWER_OFF: Mode.BRAKED,
        Event.STOP: Mode.BRAKED,
        Event.HALT: Mode.STANDING,
        Event.CLEAR: Mode.FOLLOWING,
    },
    Mode.BRAKING: {
        Event.POWER_OFF: Mode.BRAKED,
        Event.STOP: Mode.BRAKING,
        Event.HALT: Mode.BRAKING,
        Event.STANDSTILL: Mode.BRAKED,
        Event.CLEAR: Mode.FOLLOWING,
    },
    Mode.EASING: {
        Event.POWER_OFF: Mode.BRAKED,
        Event.STOP: Mode.BRAKING,
        Event.HALT: Mode.EASING,
        Event.STANDSTILL: Mode.STANDING,
        Event.CLEAR: Mode.FOLLOWING,
    },
    Mode.FOLLOWING: {
        Event.POWER_OFF: Mode.BRAKED,
        Event.STOP: Mode.BRAKING,
        Event.HALT: Mode.EASING,
        Event.SILENCE: Mode.BRAKING,
        Event.CLEAR: Mode.FOLLOWING,
    },
}


class State(NamedTuple):
    """What the kernels keep, one column an axis (a drive in `lock`): rad, m, and a second less.

    Parameters
    ----------
    targets, speeds : (TAPS, AXES) float64, the newest samples of setpoints and their speeds
    path : (AXES,) float64, their average, one step ago
    reference, rate : (AXES,) float64, where the arm shall be, and how fast that moves
    trend : (AXES,) float64, the rate, changing no faster than a joint can
    fed, pushed : (AXES,) float64, speed and acceleration that are fed forward; the latter on ramps
        alone, for a path's is as rough as its setpoints come
    lock : (DOFS,) float64, where the brakes hold
    """

    targets: Array
    speeds: Array
    path: Array
    reference: Array
    rate: Array
    trend: Array
    fed: Array
    pushed: Array
    lock: Array


class Drives:
    """The drives of one arm, braked at first.

    Parameters
    ----------
    q : (DOFS,) float64, where the joints stand
    """

    def __init__(self, q: Array) -> None:
        self.mode = Mode.BRAKED
        self.is_limited = False  # the reference lags behind its path
        self.saturated_steps = 0  # for how long a joint's drive has given all it may
        self._steps_at_rest = 0
        self._state = State(
            targets=np.zeros((TAPS, AXES)),
            speeds=np.zeros((TAPS, AXES)),
            path=np.zeros(AXES),
            reference=np.append(q[:JOINTS], q[JOINTS] + q[JOINTS + 1]),
            rate=np.zeros(AXES),
            trend=np.zeros(AXES),
            fed=np.zeros(AXES),
            pushed=np.zeros(AXES),
            lock=q.copy(),
        )
        self._target = np.zeros(AXES)
        self._speed = np.zeros(JOINTS)
        self._is_said = False
        self._rest()

    @property
    def reference(self) -> Array:
        """Where the arm shall be now: (AXES,) float64, rad and m; not to be written."""
        return self._state.reference

    def aim(self, target: Array, speed: Array | None) -> None:
        """Take a setpoint's joints and jaw, (AXES,), and the joints' speeds, (JOINTS,), if said."""
        self._target[:] = target
        self._is_said = speed is not None
        if speed is not None:
            self._speed[:] = speed

    def apply(self, event: Event, q: Array, bias: Array) -> None:
        """Change the mode; `q` and `bias` : (DOFS,), where the joints stand and what they bear."""
        old, self.mode = self.mode, TABLE[self.mode][event]
        self._steps_at_rest = 0
        if self.mode is Mode.BRAKED and old is not Mode.BRAKED:
            close(self._state, q, bias)
        if self.mode is Mode.FOLLOWING:
            if old is Mode.BRAKED:
                self._state.reference[:JOINTS] = q[:JOINTS]
            self._rest()

    def step(self, q: Array, qd: Array, bias: Array, out: Array) -> bool:
        """Write the torques for the next step into `out`; return whether the arm has come to rest.

        Parameters
        ----------
        q, qd : (DOFS,) float64, joints as measured, rad, m, rad/s, m/s
        bias : (DOFS,) float64, N m, N: torques that gravity and Coriolis forces ask for
        """
        if self.mode is Mode.BRAKED:
            brake(self._state, q, qd, out)
            return False
        state = self._state
        if self.mode is Mode.FOLLOWING:
            answer = pursue(state, self._target, self._speed, self._is_said, q, qd, bias, out)
            self.is_limited = bool(answer & LAGS)
            saturated = answer & SATURATED
        else:
            if slow(state) and self.mode is not Mode.STANDING:
                self._steps_at_rest += 1
            saturated = track(state, q, qd, bias, out)
        self.saturated_steps = self.saturated_steps + 1 if saturated else 0
        return self._steps_at_rest == SETTLE_STEPS

    def _rest(self) -> None:
        """Let the path stand where the reference is; what still moves is braked."""
        self._target[:] = self._state.reference
        self._state.targets[:] = self._state.path[:] = self._state.reference
        self._state.speeds[:] = 0.0
        self._speed[:] = 0.0
        self._is_said = False
        self.is_limited = False


LAGS: Final = 1
SATURATED: Final = 2


@jit
def pursue(
    state: State,
    target: Array,
    speed: Array,
    is_said: bool,
    q: Array,
    qd: Array,
    bias: Array,
    out: Array,
) -> int:
    """Do `follow` and `track` at the price of one call; return LAGS and SATURATED."""
    lags = follow(state, target, speed, is_said)
    saturated = track(state, q, qd, bias, out)
    return (LAGS if lags else 0) | (SATURATED if saturated else 0)


@jit
def follow(state: State, target: Array, speed: Array, is_said: bool) -> bool:
    """Move the reference one step along the smoothed path; tell whether it had to lag behind.

    Parameters
    ----------
    target : (AXES,) float64, the newest setpoint's joints and jaw
    speed : (JOINTS,) float64, its joints' speeds, if `is_said`
    """
    lags = False
    for axis in range(AXES):
        last = state.targets[0, axis]
        for tap in range(TAPS - 1, 0, -1):
            state.targets[tap, axis] = state.targets[tap - 1, axis]
            state.speeds[tap, axis] = state.speeds[tap - 1, axis]
        state.targets[0, axis] = target[axis]
        said_here = is_said and axis != JAW
        state.speeds[0, axis] = speed[axis] if said_here else (target[axis] - last) / STEP_S
        path = said = 0.0
        for tap in range(TAPS):
            path += WEIGHTS[tap] * state.targets[tap, axis]
            said += WEIGHTS[tap] * state.speeds[tap, axis]
        moved = (path - state.path[axis]) / STEP_S
        state.path[axis] = path
        band = _BELIEF * abs(moved)
        ahead = min(moved + band, max(moved - band, said))
        lags = _approach(state, axis, path, moved, ahead) or lags
    return lags


@jit
def _approach(state: State, axis: int, path: float, moved: float, ahead: float) -> bool:
    """Bring one axis' reference to its path, at once if it may; tell whether it may not."""
    reference, trend = state.reference[axis], state.trend[axis]
    change = DECELERATIONS[axis] * STEP_S
    needed = (path - reference) / STEP_S
    rough = _ROUGH_STEPS * change + _ROUGH_SHARE * abs(trend)
    passes_by = abs(needed - moved) > change
    lags = bool(passes_by or abs(needed) > RATES[axis] or abs(needed - trend) > rough)
    if lags:
        # The speed, relative to the path's, from which it stops on the path in whole steps.
        way, half = (needed - moved) * STEP_S, 0.5 * change
        closing = math.sqrt(half * half + 2.0 * DECELERATIONS[axis] * abs(way)) - half
        wish = min(RATES[axis], max(-RATES[axis], moved + math.copysign(closing, way)))
        rate = min(state.rate[axis] + change, max(state.rate[axis] - change, wish))
        state.reference[axis] = reference + rate * STEP_S
        state.pushed[axis] = (rate - state.rate[axis]) / STEP_S
        state.rate[axis] = state.fed[axis] = rate
    else:
        state.reference[axis], state.rate[axis], state.fed[axis] = path, needed, ahead
        state.pushed[axis] = 0.0
    state.trend[axis] = min(trend + change, max(trend - change, state.rate[axis]))
    return lags


@jit
def slow(state: State) -> bool:
    """Slow the reference down for one step, all axes together; tell whether it stands."""
    left_s = 0.0
    for axis in range(AXES):
        left_s = max(left_s, abs(state.rate[axis]) / DECELERATIONS[axis])
    share = 1.0 - STEP_S / left_s if left_s > STEP_S else 0.0
    for axis in range(AXES):
        rate = share * state.rate[axis]
        state.reference[axis] += 0.5 * (state.rate[axis] + rate) * min(STEP_S, left_s)
        state.pushed[axis] = (rate - state.rate[axis]) / STEP_S
        state.rate[axis] = state.trend[axis] = state.fed[axis] = rate
    return left_s == 0.0


@jit
def track(state: State, q: Array, qd: Array, bias: Array, out: Array) -> bool:
    """Write the torques that follow the reference; tell whether a joint asks for too much."""
    saturated = False
    for drive in range(DOFS):
        where, fast, push = _wanted(state, drive)
        torque = (
            bias[drive]
            + INERTIA[drive] * push
            + STIFFNESS[drive] * (where - q[drive])
            + DAMPING[drive] * (fast - qd[drive])
            + _FRICTION[drive] * fast
        )
        limit = TORQUE_MAX[drive]
        if abs(torque) > limit:
            torque = math.copysign(limit, torque)
            saturated = saturated or drive < JOINTS  # a closed jaw always presses
        out[drive] = torque
    return saturated


@jit
def close(state: State, q: Array, bias: Array) -> None:
    """Close the brakes under the load they find, where joints stand; fingers keep their grip."""
    for drive in range(DOFS):
        where, _, _ = _wanted(state, drive)
        load = bias[drive] if drive < JOINTS else STIFFNESS[drive] * (where - q[drive])
        state.lock[drive] = q[drive] + load / STIFFNESS[drive]
    for axis in range(AXES):
        state.rate[axis] = state.trend[axis] = state.fed[axis] = state.pushed[axis] = 0.0


@jit
def brake(state: State, q: Array, qd: Array, out: Array) -> None:
    """Write the torques of closed brakes; beyond their strength the lock slips along."""
    for drive in range(DOFS):
        limit = TORQUE_MAX[drive]
        stretch = limit / STIFFNESS[drive]
        if drive < JOINTS:
            state.lock[drive] = min(q[drive] + stretch, max(q[drive] - stretch, state.lock[drive]))
        torque = STIFFNESS[drive] * (state.lock[drive] - q[drive]) - DAMPING[drive] * qd[drive]
        out[drive] = min(limit, max(-limit, torque))


@jit
def _wanted(state: State, drive: int) -> tuple[float, float, float]:
    """Give a drive's position, speed and acceleration: each finger opens by half of the jaw."""
    if drive < JOINTS:
        return state.reference[drive], state.fed[drive], state.pushed[drive]
    return 0.5 * state.reference[JAW], 0.5 * state.fed[JAW], 0.5 * state.pushed[JAW]
