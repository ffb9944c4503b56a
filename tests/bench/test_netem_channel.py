"""One direction of an impaired network: the same for a seed, and as its numbers say."""

from __future__ import annotations

import math
from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.netem.channel import Channel, Fate
from bench.netem.profile import (
    BY_NAME,
    PROFILES,
    Delay,
    GilbertElliott,
    Impairment,
    Lomax,
    Outages,
    ParetoBursts,
    S,
    Tail,
    UnknownProfile,
    find,
)
from safety.profile import MS

START_NS = 7 * S
Sent = list[tuple[int, Fate, list[int]]]


def send(impairment: Impairment, packets: int, *, period_ns: int = MS, seed: str = "1") -> Sent:
    """A packet each period: when it was sent, its fate, its arrivals, all from the start on."""
    channel: Channel[int] = Channel(impairment, seed, START_NS)
    sent: Sent = []
    for number in range(packets):
        deliveries = channel.send(START_NS + number * period_ns, number)
        assert all(packet == number for _, packet in deliveries)
        arrivals = [at_ns - START_NS for at_ns, _ in deliveries]
        sent.append((number * period_ns, channel.fate, arrivals))
    return sent


def lost_share(sent: Sent) -> float:
    return sum(fate is not Fate.CARRIED for _, fate, _ in sent) / len(sent)


def bursts(sent: Sent) -> list[int]:
    """Lengths of the runs of packets that were lost."""
    return [
        len(list(run)) for lost, run in groupby(sent, lambda s: s[1] is not Fate.CARRIED) if lost
    ]


def delays(sent: Sent) -> list[int]:
    """Ascending delays of the first arrivals, ns."""
    return sorted(arrivals[0] - t_ns for t_ns, _, arrivals in sent if arrivals)


def at(ascending: list[int], quantile: float) -> float:
    return ascending[int(quantile * (len(ascending) - 1))] / MS


# The table ---------------------------------------------------------------------------------------


def test_an_unknown_network_names_those_there_are() -> None:
    with pytest.raises(UnknownProfile, match=r"'ge6'; known: clean, ge5, plm1") as caught:
        find("ge6")
    assert all(profile.name in str(caught.value) for profile in PROFILES)
    assert find("ge5") is BY_NAME["ge5"]


def test_no_two_networks_share_a_name() -> None:
    assert len(BY_NAME) == len(PROFILES)


# One seed, one network ---------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_seed_is_a_network(profile) -> None:
    first = send(profile.up, 4_000, period_ns=6 * MS)
    assert send(profile.up, 4_000, period_ns=6 * MS) == first
    deterministic = profile.name in ("clean", "cut-up", "cut-down")
    assert (send(profile.up, 4_000, period_ns=6 * MS, seed="2") == first) is deterministic


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 20 * MS), min_size=1, max_size=200))
def test_the_weather_does_not_depend_on_who_is_out_in_it(gaps: list[int]) -> None:
    impairment = Impairment(loss=GilbertElliott(0.05, 0.2), outages=Outages(40 * MS, 0, 30 * MS))
    busy: Channel[None] = Channel(impairment, "1", 0)
    calm: Channel[None] = Channel(impairment, "1", 0)
    now_ns = 0
    for gap_ns in gaps:
        for t_ns in range(now_ns, now_ns + gap_ns, MS):
            busy.send(t_ns, None)
        now_ns += gap_ns
        busy.send(now_ns, None)
        calm.send(now_ns, None)
        assert busy.fate is calm.fate


def test_what_a_packet_draws_does_not_move_the_weather() -> None:
    def lost_at(bad: float) -> set[int]:
        loss = GilbertElliott(0.02, 0.2, bad=bad)
        sent = send(Impairment(loss=loss), 20_000)
        return {t_ns for t_ns, fate, _ in sent if fate is Fate.LOST}

    every, half = lost_at(1.0), lost_at(0.5)
    assert half < every
    assert len(half) == pytest.approx(len(every) / 2, rel=0.1)


def test_a_cause_can_be_left_out_without_moving_the_others() -> None:
    both = Impairment(Delay(5 * MS, 1 * MS), loss=GilbertElliott(0.0105, 0.2), ordered=False)
    with_loss, without = send(both, 5000), send(both._replace(loss=None), 5000)
    carried = [sent for sent in with_loss if sent[1] is Fate.CARRIED]
    assert 0 < len(carried) < 5000
    assert set(map(repr, carried)) <= set(map(repr, without))


# Loss --------------------------------------------------------------------------------------------


def test_ge5_loses_a_twentieth_in_bursts_of_five_milliseconds() -> None:
    sent = send(BY_NAME["ge5"].up, 250_000)
    lengths = sorted(bursts(sent))
    assert lost_share(sent) == pytest.approx(0.0499, rel=0.05)
    assert sum(lengths) / len(lengths) == pytest.approx(5.0, rel=0.05)
    # Geometric: a burst goes on with 0.8. Some 330 of 2,500 are that long: 15 % is three sigmas.
    assert sum(n >= 10 for n in lengths) / len(lengths) == pytest.approx(0.8**9, rel=0.15)


def test_bursts_last_as_long_for_whoever_sends_more_seldom() -> None:
    seldom = send(BY_NAME["ge5"].up, 80_000, period_ns=4 * MS)
    assert lost_share(seldom) == pytest.approx(0.0499, rel=0.07)
    assert sum(bursts(seldom)) / len(bursts(seldom)) < 2.5


def test_a_chain_may_step_by_packets_and_lose_in_both_states() -> None:
    loss = GilbertElliott(0.02, 0.1, step_ns=0, bad=0.6, good=0.01)
    sent = send(Impairment(loss=loss), 60_000, period_ns=7)
    bad = 0.02 / 0.12
    assert lost_share(sent) == pytest.approx(bad * 0.6 + (1 - bad) * 0.01, rel=0.05)


@pytest.mark.parametrize(("p", "r", "share"), [(0.0, 0.5, 0.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.5)])
def test_a_chain_at_its_ends(p: float, r: float, share: float) -> None:
    sent = send(Impairment(loss=GilbertElliott(p, r)), 1000)
    assert lost_share(sent) == pytest.approx(share, abs=0.002)


@pytest.mark.parametrize(("name", "share"), [("plm1", 0.10), ("plm2", 0.30), ("plm3", 0.50)])
def test_netfis_losses_are_what_its_authors_say(name: str, share: float) -> None:
    assert lost_share(send(BY_NAME[name].up, 60_000)) == pytest.approx(share, rel=0.1)


def test_pareto_bursts_have_their_tail() -> None:
    tail = Lomax(1.5, 2.0)
    sent = send(Impairment(loss=ParetoBursts(0.0, 1.0, tail, tail)), 60_000)
    lengths = bursts(sent)
    # Each packet that passes is followed by a burst of n or more with chance (1 + n / scale)^-shape
    # (a burst of none does not show).
    passed = sum(fate is Fate.CARRIED for _, fate, _ in sent)
    for n in (1, 5, 20, 80):
        expected = (1 + n / 2.0) ** -1.5
        assert sum(k >= n for k in lengths) / passed == pytest.approx(expected, rel=0.1)


# Outages -----------------------------------------------------------------------------------------


def test_a_cut_is_a_window_and_one_way() -> None:
    sent = send(BY_NAME["cut-up"].up, 11_000)
    out = [t_ns for t_ns, fate, _ in sent if fate is Fate.OUTAGE]
    assert out == [*range(5 * S, 5 * S + 500 * MS, MS), *range(10_500 * MS, 11 * S, MS)]
    assert lost_share(send(BY_NAME["cut-up"].down, 11_000)) == 0.0
    assert lost_share(send(BY_NAME["cut-down"].up, 11_000)) == 0.0


@pytest.mark.parametrize(
    ("name", "longest_ms", "share"),
    [("clm1", 3000, 0.15), ("clm2", 1000, 1 / 3), ("clm3", 2000, 0.5)],
)
def test_silences_are_uniform_and_spaced(name: str, longest_ms: int, share: float) -> None:
    sent = send(BY_NAME[name].up, 60_000, period_ns=5 * MS)
    lengths = sorted(5 * n for n in bursts(sent))
    assert lost_share(sent) == pytest.approx(share, rel=0.1)
    assert lengths[-1] <= longest_ms + 5
    assert lengths[len(lengths) // 2] == pytest.approx(longest_ms / 2, rel=0.15)


def test_outages_without_length_lose_nothing() -> None:
    assert lost_share(send(Impairment(outages=Outages(MS, 0, 0)), 100)) == 0.0


# Delay -------------------------------------------------------------------------------------------


def test_a_clean_network_delivers_at_once() -> None:
    sent = send(BY_NAME["clean"].up, 100)
    assert all(arrivals == [t_ns] for t_ns, _, arrivals in sent)


@pytest.mark.parametrize(
    ("name", "least", "mean"), [("dlm1", 70, 100), ("dlm2", 210, 300), ("dlm3", 406, 500)]
)
def test_netfis_delays_are_what_its_authors_say(name: str, least: int, mean: int) -> None:
    unordered = BY_NAME[name].up._replace(ordered=False)
    found = delays(send(unordered, 40_000, period_ns=100 * MS))
    assert found[0] / MS == pytest.approx(least, rel=0.01)
    assert sum(found) / len(found) / MS == pytest.approx(mean, rel=0.02)


def test_a_hyper_exponential_has_the_quantiles_of_its_branches() -> None:
    tail = (Tail(0.2, 1.0 * MS), Tail(0.05, 50.0 * MS))
    found = delays(send(Impairment(Delay(3 * MS, tail=tail), ordered=False), 60_000))
    assert at(found, 0.5) == 3.0  # three in four have no tail
    beyond = sum(delay > 28 * MS for delay in found) / len(found)
    assert beyond == pytest.approx(0.05 * math.exp(-0.5), rel=0.1)


def test_jitter_is_normal_and_cut() -> None:
    found = delays(send(BY_NAME["jitter10"].up._replace(ordered=False), 60_000, period_ns=20 * MS))
    assert (at(found, 0.0), at(found, 1.0)) == (2.0, 22.0)
    assert at(found, 0.5) == pytest.approx(12.0, abs=0.1)
    assert at(found, 0.84134) == pytest.approx(16.0, abs=0.1)


def test_what_holds_is_drawn_once_for_its_time() -> None:
    sent = send(Impairment(Delay(9 * MS, sigma_ns=MS, hold_ns=20 * MS), ordered=False), 2000)
    found = [arrivals[0] - t_ns for t_ns, _, arrivals in sent]
    assert all(len(set(found[slot : slot + 20])) == 1 for slot in range(0, 2000, 20))
    assert len(set(found)) == 100


def test_a_step_comes_at_its_time() -> None:
    sent = send(Impairment(Delay(2 * MS, step_at_ns=500 * MS, step_ns=50 * MS)), 1000)
    assert {arrivals[0] - t_ns for t_ns, _, arrivals in sent[:500]} == {2 * MS}
    assert {arrivals[0] - t_ns for t_ns, _, arrivals in sent[500:]} == {52 * MS}


# Order -------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([p.name for p in PROFILES if p.up.ordered]))
def test_of_an_ordered_network_nothing_overtakes(seed: int, name: str) -> None:
    sent = send(BY_NAME[name].up, 500, seed=str(seed))
    arrivals = [arrivals[0] for _, _, arrivals in sent if arrivals]
    assert all(a <= b for a, b in pairwise(arrivals))
    assert all(first >= t_ns for t_ns, _, (first, *_) in (s for s in sent if s[2]))


def test_reorder_sends_one_in_twenty_behind_its_successors() -> None:
    sent = send(BY_NAME["reorder"].up, 50_000)
    late = [arrivals[0] - t_ns == 5 * MS for t_ns, _, arrivals in sent]
    assert sum(late) / len(late) == pytest.approx(0.05, rel=0.1)
    order = sorted(range(50_000), key=lambda number: sent[number][2][0])
    assert order != list(range(50_000))


def test_copies_come_after_their_first() -> None:
    sent = send(BY_NAME["dup"].up, 50_000)
    copies = [arrivals for _, _, arrivals in sent if len(arrivals) == 2]
    assert len(copies) / len(sent) == pytest.approx(0.10, rel=0.1)
    assert all(second - first == MS // 2 for first, second in copies)
