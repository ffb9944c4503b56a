"""How far one kind of motion may go in one step: translation (m) or turning (as quaternions).

Places are four numbers: x y z and a zero, or a quaternion. So one plain line serves both.

Rules
-----
1. A step is only ever shortened on its straight way from where the arm stands to the wish. So
   what fences and fixtures said of that way stays true, and nothing overshoots the hand.
2. Speed is an allowance that grows with time, to one longest step (20 ms) at most: commands that
   arrive in bursts are not cut, and no burst is faster than the limit over time.
3. Acceleration is judged on velocities averaged over 10 ms, from the arm's own past: where would
   it be at the velocity it had? A step may lie off that by a t^2, and by as much as the recent
   speed may err for the unevenness with which the stream itself arrives. From standstill that is
   nothing. Coming nearer to that point, and standing still, are always allowed: the hand stops
   the arm as hard as it likes.
4. A step that breaks 3 is made on a ramp of that acceleration instead, and so are the next, until
   the ramp has caught up with the wish.
5. Within any 250 ms the arm comes no further than its window from where it was.

Velocities and times are the robot's own; a sequence number has no say.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from safety.clamp import Rule

#: The longest time that one step may account for: a pause is not a licence to leap.
STEP_NS_MAX = 20_000_000
#: Velocities are averages over this.
SPAN_NS = 10_000_000
WINDOW_NS = 250_000_000
#: The past is remembered at marks so far apart, long enough for the window.
MARK_NS = 5_000_000
_MARKS = WINDOW_NS // MARK_NS + 14
#: The recent speed is taken over so many marks: 40 ms.
_RECENT = 8
_S = 1e-9
_STEP_S = STEP_NS_MAX * _S

Place = tuple[float, ...]
# Looking up a member of an enum costs as much as a whole line.
_NONE = Rule.NONE


class _Mark(NamedTuple):
    t_ns: int
    place: Place
    path: float  #: way gone until then


class Governor:
    """Keeps one kind of motion within its speed, acceleration and window.

    Parameters
    ----------
    speed, acceleration, window : in the units of its places, per s and s^2
    """

    def __init__(self, speed: float, acceleration: float, window: float) -> None:
        self._speed = speed
        self._acceleration = acceleration
        self._window = window
        self.stand((), 0)

    def stand(self, place: Place, now_ns: int) -> None:
        """Begin at a place where the arm has been standing."""
        self._place = place
        self._at_ns = now_ns
        self._budget = self._speed * _STEP_S
        self._gap_ns = 0  # how unevenly the stream arrives: its longest gap, fading
        self._path = 0.0
        self._checked = self._window  # the window needs no look before the path is so long
        self._ramp: Place | None = None  # velocity of the last step, if it was made on a ramp
        marks = (_Mark(now_ns - n * SPAN_NS, place, 0.0) for n in (2, 1))
        self._marks = deque(marks, maxlen=_MARKS)

    def rest(self, now_ns: int) -> None:
        """Note that the arm has been standing since its last step."""
        for n in (2, 1):
            t_ns = now_ns - n * SPAN_NS
            if t_ns >= self._at_ns:
                self._marks.append(_Mark(t_ns, self._place, self._path))
        self._budget += self._speed * (now_ns - self._at_ns) * _S  # `share` bounds it
        self._at_ns = now_ns
        self._ramp = None

    def share(self, wish: Place, ratio: float, now_ns: int) -> tuple[float, Rule]:
        """Tell which share of the way to the wish is allowed now, and what forbids the rest.

        Parameters
        ----------
        ratio : of the speed that may be used
        """
        # Branches, not min and max: this runs for every command, and a call costs as much as three.
        since_ns = now_ns - self._at_ns
        step_ns = since_ns if since_ns < STEP_NS_MAX else STEP_NS_MAX
        dt_s = step_ns * _S
        faded_ns = self._gap_ns - (since_ns >> 3)
        self._gap_ns = step_ns if step_ns > faded_ns else faded_ns
        speed = self._speed * ratio
        budget, full = self._budget + speed * dt_s, speed * _STEP_S
        self._budget = budget = budget if budget < full else full
        here = self._place
        distance = math.dist(here, wish)
        if distance == 0.0:
            return 1.0, _NONE
        allowed, rule, aim = distance, _NONE, wish
        if distance > budget:
            allowed, rule = budget, Rule.SPEED
            aim = _towards(here, wish, allowed / distance)
        on_ramp = self._ramp is not None or self._is_sudden(aim, now_ns)
        if on_ramp:
            ramp = self._ramp_along(wish, distance, now_ns) + self._acceleration * dt_s
            step = min(ramp, speed) * dt_s
            on_ramp = step < allowed
            if on_ramp:
                allowed, rule = step, Rule.ACCELERATION if ramp < speed else Rule.SPEED
        if self._path + allowed > self._checked:
            free = self._free(wish, allowed, distance, now_ns)
            if free < allowed:
                allowed, rule = free, Rule.WINDOW
        share = allowed / distance
        self._ramp = self._velocity_of(wish, share / dt_s) if on_ramp and dt_s else None
        return share, rule

    def move(self, place: Place, now_ns: int) -> None:
        """Note where the step led to."""
        distance = math.dist(self._place, place)
        if distance == 0.0:
            self._ramp = None  # it stands, whatever was allowed
        self._budget -= distance
        self._path += distance
        self._place = place
        self._at_ns = now_ns
        if now_ns - self._marks[-1].t_ns >= MARK_NS:
            self._marks.append(_Mark(now_ns, place, self._path))

    def velocity(self, now_ns: int) -> Place:
        """Give the velocity of late, standing still since the last step included."""
        if now_ns - self._at_ns >= SPAN_NS:
            return (0.0,) * len(self._place)
        mark = self._marks[self._mark_before(-1, now_ns - SPAN_NS)]
        dt_s = (now_ns - mark.t_ns) * _S
        return tuple((b - a) / dt_s for a, b in zip(mark.place, self._place, strict=True))

    def _ramp_along(self, wish: Place, distance: float, now_ns: int) -> float:
        """Give the speed towards the wish that the arm has already."""
        velocity = self._ramp or self.velocity(now_ns)
        here = self._place
        along = sum(v * (w - h) for v, w, h in zip(velocity, wish, here, strict=True))
        return max(0.0, along / distance)

    def _velocity_of(self, wish: Place, share_s: float) -> Place:
        """Give the velocity of a step that goes so much of the way in a second."""
        return tuple((w - h) * share_s for w, h in zip(wish, self._place, strict=True))

    def _mark_before(self, index: int, t_ns: int) -> int:
        """Find the newest mark, from `index` back, at or before `t_ns`; or the oldest."""
        marks = self._marks
        oldest = -len(marks)
        while index > oldest and marks[index].t_ns > t_ns:
            index -= 1
        return index

    def _is_sudden(self, aim: Place, now_ns: int) -> bool:
        """Tell whether the aim lies too far from where the velocity so far would lead."""
        marks = self._marks
        index = self._mark_before(-1, now_ns - SPAN_NS)
        one = marks[index]
        two = marks[self._mark_before(index, one.t_ns - SPAN_NS)]
        new_s, old_s = (now_ns - one.t_ns) * _S, (one.t_ns - two.t_ns) * _S
        ahead = new_s / old_s
        radius = 0.5 * self._acceleration * new_s * (new_s + old_s)
        here = self._place
        gone = self._path - one.path + math.dist(here, aim) + ahead * (one.path - two.path)
        if gone <= radius:
            return False  # ways bound distances: so slow a motion needs no closer look
        x, y, z, w = one.place
        x0, y0, z0, w0 = two.place
        there = (
            x + ahead * (x - x0),
            y + ahead * (y - y0),
            z + ahead * (z - z0),
            w + ahead * (w - w0),
        )
        recent = marks[-_RECENT] if len(marks) > _RECENT else marks[0]
        speed = (self._path - recent.path) / ((now_ns - recent.t_ns) * _S)
        radius += speed * self._gap_ns * _S * (1.0 + ahead)
        if math.dist(aim, there) <= radius:
            return False
        return sum((a - t) * (a - h) for a, t, h in zip(aim, there, here, strict=True)) > 0.0

    def _free(self, wish: Place, allowed: float, distance: float, now_ns: int) -> float:
        """Tell how much of the allowed way keeps the window, looking at every mark in it."""
        # One command in a hundred looks at all marks: no calls but the one, newest mark first.
        here, window, free, furthest = self._place, self._window, allowed, 0.0
        aim = _towards(here, wish, allowed / distance)
        dist, oldest_ns = math.dist, now_ns - WINDOW_NS
        for t_ns, place, _ in reversed(self._marks):
            if t_ns < oldest_ns:
                break
            far = dist(place, aim)
            if far > furthest:
                furthest = far
            if far > window:
                free = min(free, max(0.0, window - dist(place, here)))
        self._checked = self._path + max(0.0, window - furthest)
        return free


def _towards(here: Place, wish: Place, share: float) -> Place:
    return tuple(h + share * (w - h) for h, w in zip(here, wish, strict=True))
