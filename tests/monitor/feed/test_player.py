"""Whoever wakes the player, whenever: what comes out is the recording, whole and in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.feed.names import UnitFault, signals_of, worth
from monitor.feed.player import BEHIND_MAX, Player, Track, tracks_of
from monitor.feed.recording import Channel, FeedFault
from monitor.messages import Samples, Signal, unpack

MS = 1_000_000
START_NS = 5_000 * MS


def channel(name: str, rate_hz: float, seconds: float, unit: str = "") -> Channel:
    n = int(rate_hz * seconds)
    return Channel(name, unit, rate_hz, np.arange(n, dtype=np.float32))


def player(*tracks: Track, loop: bool = False) -> Player:
    return Player(tracks, "icu/7", "feed", 3, START_NS, loop)


def together(messages: list[Samples], signal: Signal) -> np.ndarray:
    """Put a signal together by its numbers; a gap or an overlap fails."""
    parts, at = [], 0
    for message in messages:
        for block in unpack(message):
            if block.signal is signal:
                assert block.first == at
                at += len(block.samples)
                parts.append(block.samples)
    return np.concatenate(parts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=40), st.sampled_from([128, 250, 360]))
def test_however_the_player_is_woken_nothing_is_missing_or_doubled(naps_ms: list[int], rate: int):
    tracks = tracks_of([channel("II", rate, 3.0), channel("RESP", 62.5, 3.2)])
    played, messages, now_ns = player(*tracks), [], START_NS
    for nap_ms in [*naps_ms, 400, 400, 400, 400, 400, 400, 400, 400]:
        now_ns += nap_ms * MS
        messages += played.handle_deadline(now_ns)
    assert [message.seq for message in messages] == list(range(75))
    assert together(messages, Signal.ECG_1).tolist() == list(range(3 * rate))
    assert len(together(messages, Signal.RESP)) == 187
    assert played.next_deadline_ns() is None


def test_a_message_is_sent_when_its_last_sample_would_have_been_taken():
    [track] = tracks_of([channel("II", 250, 1.0)])
    played = player(track)
    assert played.next_deadline_ns() == START_NS + 40 * MS
    assert played.handle_deadline(START_NS + 40 * MS - 1) == []
    [message] = played.handle_deadline(START_NS + 43 * MS)
    assert (message.bed, message.device, message.incarnation) == ("icu/7", "feed", 3)
    assert message.age_us == 3000
    assert [len(block.samples) for block in unpack(message)] == [10]


def test_a_loop_goes_on_counting():
    [track] = tracks_of([channel("II", 250, 0.2)])
    played, messages = player(track, loop=True), []
    for number in range(1, 13):
        messages += played.handle_deadline(START_NS + 40 * number * MS)
    found = together(messages, Signal.ECG_1)
    assert found.tolist() == [*range(50), *range(50), *range(20)]
    assert played.lasts_s == 0.2
    assert played.played_s == pytest.approx(0.48)


def test_who_comes_far_too_late_loses_the_oldest_and_counts_them():
    [track] = tracks_of([channel("II", 250, 60.0)])
    played = player(track)
    messages = played.handle_deadline(START_NS + 100 * 40 * MS)
    assert len(messages) == BEHIND_MAX == played.sent
    assert played.lost == 100 - BEHIND_MAX
    assert messages[0].seq == 100 - BEHIND_MAX


def test_played_faster_the_samples_are_taken_more_often():
    [track] = tracks_of([channel("II", 250, 4.0)], speed=2.0)
    assert (track.rate_hz, len(track.x)) == (500.0, 1000)
    assert player(track).lasts_s == 2.0


def test_a_rate_that_no_device_has_becomes_the_sensors():
    [track] = tracks_of([channel("II", 257.0, 4.0)])
    assert track.rate_hz == 250.0
    assert len(track.x) == pytest.approx(1000, abs=20)
    # A ramp stays a ramp: the value is the time.
    at = np.arange(100, 800)
    assert track.x[at] == pytest.approx(at * 257.0 / 250.0, abs=0.5)


def test_many_samples_make_shorter_messages():
    tracks = tracks_of([channel(name, 1000, 2.0) for name in ("I", "II", "III", "PLETH", "RESP")])
    more = [Track(track.signal, track.name, 10_000.0, track.x) for track in tracks]
    messages = player(*more).handle_deadline(START_NS + 1000 * MS)
    assert together(messages, Signal.ECG_1).tolist() == list(range(1870))  # 11 messages of 17 ms
    assert all(len(message.samples) <= 4096 - 512 for message in messages)


def test_units_are_brought_to_the_monitors():
    ecg, abp = tracks_of([channel("II", 250, 1.0, unit="uV"), channel("ABP", 125, 1.0, unit="kPa")])
    assert ecg.x[100] == pytest.approx(0.1)
    assert abp.x[100] == pytest.approx(750.062)


def test_a_unit_that_is_none_of_its_signal_is_refused():
    with pytest.raises(FeedFault, match=r"II: expected mv, .* found 'mmHg'"):
        tracks_of([channel("II", 250, 1.0, unit="mmHg")])
    with pytest.raises(UnitFault):
        worth(Signal.ABP, "mV")


def test_a_recording_without_a_signal_of_a_patient_says_what_it_has():
    with pytest.raises(FeedFault, match=r"expected a channel named as .*: EEG Fz, Marker"):
        tracks_of([channel("EEG Fz", 250, 1.0), channel("Marker", 250, 1.0)])


def test_of_many_channels_each_signal_is_taken_once():
    names = ["RESP", "PLETH", "V", "aVR", "II", "V5", "ABP", "ART", "CO2"]
    assert signals_of(names) == {
        0: Signal.RESP,
        1: Signal.PLETH,
        2: Signal.ECG_1,
        3: Signal.ECG_2,
        4: Signal.ECG_3,
        6: Signal.ABP,
    }
