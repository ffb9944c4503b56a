"""Decides when to say that we live, and when the peer no longer does.

Rules
-----
- Whatever is sent is a sign of life; a beat goes out only when nothing else did for a period.
- Whatever is heard is a sign of life. A silence is announced once; then it is only measured.
- Both sides age the other on their own clock; a beat carries no time that anyone must believe.
"""

from __future__ import annotations


class Heartbeat:
    """When to send a beat to one peer, and how long it has been silent.

    Parameters
    ----------
    period_ns : int
        The longest we stay silent ourselves.
    silence_ns : int
        When the peer counts as silent. Several periods: single beats are lost.
    now_ns : int
        The start: the peer is taken as heard now, the first beat is due at once.
    """

    __slots__ = ("_announced", "_heard_ns", "_period_ns", "_sent_ns", "_silence_ns")

    def __init__(self, period_ns: int, silence_ns: int, now_ns: int) -> None:
        assert 0 < period_ns < silence_ns
        self._period_ns = period_ns
        self._silence_ns = silence_ns
        self._sent_ns = now_ns - period_ns
        self._heard_ns = now_ns
        self._announced = False

    def sent(self, now_ns: int) -> None:
        """Note that something, beat or traffic, went to the peer."""
        self._sent_ns = now_ns

    def heard(self, now_ns: int) -> None:
        """Note that something, beat or traffic, came from the peer."""
        self._heard_ns = now_ns
        self._announced = False

    def due(self, now_ns: int) -> bool:
        """Return whether a beat must go out; stays true until `sent`."""
        return now_ns - self._sent_ns >= self._period_ns

    def fell_silent(self, now_ns: int) -> bool:
        """Return True once for each silence, when it has lasted `silence_ns`."""
        if self._announced or not self.silent(now_ns):
            return False
        self._announced = True
        return True

    def silent(self, now_ns: int) -> bool:
        """Return whether the peer counts as silent."""
        return now_ns - self._heard_ns >= self._silence_ns

    def silent_for_ns(self, now_ns: int) -> int:
        """Return how long ago the peer was heard."""
        return now_ns - self._heard_ns

    def next_deadline_ns(self) -> int:
        """Return when to ask `due` and `fell_silent` again, if nothing happens before."""
        beat_ns = self._sent_ns + self._period_ns
        if self._announced:
            return beat_ns
        return min(beat_ns, self._heard_ns + self._silence_ns)
