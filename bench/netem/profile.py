"""Names the networks that a link can be put behind: one row each, every number written down.

Rules
-----
- A row impairs the two directions apart: `up` is console to node, `down` the way back.
- A row names the ladder that a console would ask for on such a link (safety.profile).
- Where a row has a source, it stands in its words; all else are round numbers of ours.

NetFI is the fault injector of Ge et al., "A Comprehensive Analysis of the Effects of Network
Quality of Service on Robotic Telesurgery" (arXiv 2603.06824). It impairs commands alone, so its
rows leave the way back clean. Its bursts are counted in packets, whatever their rate.
"""

from __future__ import annotations

from typing import NamedTuple

from safety.profile import MS
from safety.profile import Profile as Ladder

S = 1_000 * MS


class GilbertElliott(NamedTuple):
    """Two states with a loss of their own.

    Parameters
    ----------
    p, r : chance of good -> bad and of bad -> good, each step
    step_ns : a step's length; 0 = each packet is a step
    bad, good : chance that a packet is lost in that state
    """

    p: float
    r: float
    step_ns: int = MS
    bad: float = 1.0
    good: float = 0.0


class Lomax(NamedTuple):
    """A Pareto distribution of the second kind: P(X > x) = (1 + x / scale)^-shape."""

    shape: float
    scale: float


class ParetoBursts(NamedTuple):
    """Heavy-tailed bursts: after each packet that passes, a burst of floor(X) >= 0 packets is lost.

    Parameters
    ----------
    p, r : chance of good -> bad and of bad -> good, each packet
    good, bad : distribution of X in that state
    """

    p: float
    r: float
    good: Lomax
    bad: Lomax


class Tail(NamedTuple):
    """One branch of a hyper-exponential: with chance `weight` an exponential of this mean."""

    weight: float
    mean_ns: float


class Delay(NamedTuple):
    """How long a packet is under way.

    Parameters
    ----------
    base_ns : always
    sigma_ns : of a normal jitter, cut at 2.5 sigma and where the delay would be negative
    tail : branches; what their weights leave to 1 has none
    hold_ns : jitter and tail hold for so long, then are drawn anew: packets a millisecond apart
        wait in the same queue; 0 = each packet draws its own
    step_at_ns, step_ns : from the one on, the other is added
    """

    base_ns: int = 0
    sigma_ns: int = 0
    tail: tuple[Tail, ...] = ()
    hold_ns: int = 0
    step_at_ns: int = 0
    step_ns: int = 0


class Outages(NamedTuple):
    """Times in which nothing passes: a pause, then an outage of U(shortest, longest), for ever.

    A pause is a millisecond at least.
    """

    pause_ns: int
    shortest_ns: int
    longest_ns: int


class Impairment(NamedTuple):
    """What one direction does to its packets.

    Parameters
    ----------
    ordered : a queue: no packet overtakes another, but for the held back ones
    held_back, held_ns : chance that a packet is held back, and for how long
    copied, copied_ns : chance that a second copy follows, and after how long
    """

    delay: Delay = Delay()
    loss: GilbertElliott | ParetoBursts | None = None
    outages: Outages | None = None
    ordered: bool = True
    held_back: float = 0.0
    held_ns: int = 0
    copied: float = 0.0
    copied_ns: int = 0


class Profile(NamedTuple):
    """One row."""

    name: str
    words: str
    up: Impairment = Impairment()
    down: Impairment = Impairment()
    ladder: Ladder = Ladder.NATIVE


def _both(name: str, words: str, each: Impairment, ladder: Ladder = Ladder.NATIVE) -> Profile:
    return Profile(name, words, each, each, ladder)


def _netfi_loss(good: Lomax, bad: Lomax) -> Impairment:
    return Impairment(loss=ParetoBursts(0.05, 0.10, good, bad))


def _netfi_delay(least_ms: int, *tail: tuple[float, float]) -> Impairment:
    """Take NetFI's own terms: a least delay, ms, then (weight, rate per ms) of each branch."""
    branches = tuple(Tail(weight, MS / rate) for weight, rate in tail)
    # NetFI draws for each packet. At 1 kHz a queue of such packets would be as late as the worst.
    return Impairment(Delay(least_ms * MS, tail=branches, hold_ns=100 * MS))


def _netfi_silence(longest_ms: int, pause_ms: int) -> Impairment:
    return Impairment(outages=Outages(pause_ms * MS, 0, longest_ms * MS))


_CUT = Impairment(outages=Outages(5 * S, 500 * MS, 500 * MS))
_GE5 = Impairment(loss=GilbertElliott(0.0105, 0.2))
_JITTER = Impairment(Delay(12 * MS, sigma_ns=4 * MS, hold_ns=20 * MS))
_SWAPS = Impairment(Delay(2 * MS), ordered=False, held_back=0.05, held_ns=3 * MS)
_COPIES = Impairment(copied=0.10, copied_ns=MS // 2)
_LTE_UP = Impairment(
    Delay(18 * MS, sigma_ns=3 * MS, tail=(Tail(0.05, 10.0 * MS),), hold_ns=10 * MS),
    loss=GilbertElliott(0.0002, 0.1),
    outages=Outages(20 * S, 30 * MS, 60 * MS),
)
_LTE_DOWN = _LTE_UP._replace(delay=_LTE_UP.delay._replace(base_ns=12 * MS, sigma_ns=2 * MS))
_WIFI = Impairment(
    Delay(2 * MS, sigma_ns=MS // 2, tail=(Tail(0.04, 5.0 * MS),), hold_ns=5 * MS),
    loss=GilbertElliott(0.002, 0.25, bad=0.8),
)

# fmt: off
PROFILES = (
    Profile("clean", "nothing is done: what the shell itself costs"),
    _both("ge5", "Gilbert-Elliott, 5 % lost in bursts of 5 ms on average", _GE5),
    Profile("plm1", "NetFI, 10 % lost", _netfi_loss(Lomax(4.428, 1.638), Lomax(4.966, 0.271))),
    Profile("plm2", "NetFI, 30 % lost", _netfi_loss(Lomax(4.604, 3.552), Lomax(3.901, 1.466))),
    Profile("plm3", "NetFI, 50 % lost", _netfi_loss(Lomax(3.859, 3.324), Lomax(3.797, 6.049))),
    Profile("dlm1", "NetFI, 100 ms on average, 70 at least",
            _netfi_delay(70, (0.72645, 0.02711), (0.27355, 0.08529)), ladder=Ladder.WAN),
    Profile("dlm2", "NetFI, 300 ms on average, 210 at least",
            _netfi_delay(210, (0.89258, 0.01081), (0.10742, 0.01624)), ladder=Ladder.WAN),
    Profile("dlm3", "NetFI, 500 ms on average, 406 at least",
            _netfi_delay(406, (0.89574, 0.01025), (0.10426, 0.01551)), ladder=Ladder.WAN),
    Profile("clm1", "NetFI, silences of U(0, 3000) ms, 8500 ms apart", _netfi_silence(3000, 8500)),
    Profile("clm2", "NetFI, silences of U(0, 1000) ms, 1000 ms apart", _netfi_silence(1000, 1000)),
    Profile("clm3", "NetFI, silences of U(0, 2000) ms, 1000 ms apart", _netfi_silence(2000, 1000)),
    Profile("lte", "a mobile network with handovers every 20 s", _LTE_UP, _LTE_DOWN, Ladder.WAN),
    _both("wifi", "a shared radio: short delays with a tail, 0.6 % lost in bursts", _WIFI),
    _both("jitter10", "12 ms, up to 10 ms more or less", _JITTER),
    _both("reorder", "2 ms; one packet in twenty comes 3 ms later than its turn", _SWAPS),
    _both("dup", "one packet in ten comes twice, half a millisecond apart", _COPIES),
    Profile("cut-up", "the way up is cut for 500 ms every 5 s; the way down is not", up=_CUT),
    Profile("cut-down", "the way down is cut for 500 ms every 5 s; the way up is not", down=_CUT),
)
# fmt: on

BY_NAME = {profile.name: profile for profile in PROFILES}


class UnknownProfile(ValueError):
    """No network of that name; the message lists those there are."""


def find(name: str) -> Profile:
    """Return the row of that name.

    Raises
    ------
    UnknownProfile
    """
    try:
        return BY_NAME[name]
    except KeyError:
        known = ", ".join(BY_NAME)
        raise UnknownProfile(f"no network is called {name!r}; known: {known}") from None
