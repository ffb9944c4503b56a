"""Whatever devices and networks do, each sample comes once, at its time, or is missing by name."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.dsp.resample import Resampler
from monitor.ingest import BURST_MAX, CAUSES, Ingest
from monitor.messages import BLOCK, Block, Samples, Signal, pack
from monitor.rows import MS, Cause
from tests.monitor.devices import BEDS, TARGETS, TICK_NS, Device, Story

#: Whoever runs first compiles the kernels, which takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(300)


def numbers(x: np.ndarray) -> np.ndarray:
    """The numbers of the samples that were played."""
    return x[~np.isnan(x)].astype(int)


def heard(*devices: Device, seconds: float = 6.0) -> Story:
    story = Story()
    story.hears(*(device.sends(seconds) for device in devices), until_s=seconds)
    return story


# A good device ---------------------------------------------------------------------------------


def test_a_steady_device_is_played_whole_once_it_has_proven_itself():
    story = heard(Device())
    x = story.played(after_s=1.5)
    assert not np.isnan(x).any()
    assert (np.diff(x) == 1).all()
    assert story.counted() == {}


def test_nothing_is_played_of_the_first_second():
    assert np.isnan(heard(Device()).played()[:250]).all()


def test_a_played_sample_is_as_old_as_the_row_says():
    story = heard(Device(delay_ms=lambda k: 30.0))
    newest = story.played()[-1]
    age_ns = story.now_ns - (story.start_ns + newest * 4 * MS)
    said_ns = story.ingest.rows["delay_ns"][0]
    assert abs(age_ns - said_ns - 30 * MS) < 8 * MS  # the network's part cannot be seen
    assert said_ns < 100 * MS


@pytest.mark.parametrize("rate_hz", [360.0, 500.0, 128.0, 1000.0])
def test_another_rate_comes_out_as_the_resampler_of_recordings_gives_it(rate_hz):
    def wave(number: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * 7.3 * number / rate_hz) + 0.3

    story = heard(Device(rate_hz=rate_hz, value=wave), seconds=4.0)
    whole = wave(np.arange(int(4 * rate_hz))).astype(np.float32)
    expected = Resampler(1, rate_hz, 250.0).step(whole[None])[0]
    x = story.played(after_s=2.0)[:250]
    start = int(np.argmin([np.abs(expected[k : k + 250] - x).max() for k in range(500)]))
    assert expected[start : start + 250].tobytes() == x.tobytes()


# A bad network ---------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from([2.0, 20.0, 90.0, 130.0]), min_size=100, max_size=100))
def test_late_and_reordered_messages_fall_into_their_place(delays):
    story = heard(Device(delay_ms=lambda k: delays[k % 100]), seconds=8.0)
    played = numbers(story.played(after_s=4.0))
    counted = story.counted()
    steps = np.diff(played)
    assert (steps >= 0).all(), "no sample twice, but where a clock was followed"
    odd = int((steps != 1).sum())
    assert odd <= counted.get("slip", 0) + counted.get("gap", 0) + counted.get("late", 0)


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_doubled_message_changes_nothing(data):
    device = Device()
    sends = device.sends(4.0)
    doubled = data.draw(st.lists(st.sampled_from(sends[:-1]), min_size=1, max_size=30, unique=True))
    story = Story()
    again = [sent._replace(arrives_ns=sent.arrives_ns + 3 * MS) for sent in doubled]
    story.hears(sends, again, until_s=4.0)
    once = heard(Device(), seconds=4.0)
    assert story.played().tobytes() == once.played().tobytes()
    assert story.counted() == {"duplicate": len(doubled)}


def test_a_lost_message_is_missing_and_shifts_nothing():
    story = heard(Device(delay_ms=lambda k: None if k == 100 else 5.0))
    x = story.played(after_s=1.5)
    steady = heard(Device()).played(after_s=1.5)
    assert np.isnan(x).sum() == 10
    assert (x[~np.isnan(x)] == steady[~np.isnan(x)]).all()
    assert story.counted()["gap"] == 10


def test_after_two_seconds_of_silence_a_row_begins_anew_and_its_patient_keeps_what_it_knows():
    story = heard(Device(delay_ms=lambda k: None if 75 <= k < 150 else 5.0), seconds=10.0)
    assert story.counted()["restart"] == 1
    assert story.changed == []
    assert (np.diff(story.played(after_s=8.0)) == 1).all()


def test_a_burst_after_a_stall_of_the_network_is_played_late_and_whole():
    def stalled(k: int) -> float:
        return max(5.0, 300.0 - 40.0 * (k - 100)) if k >= 100 else 5.0

    story = heard(Device(delay_ms=stalled), seconds=8.0)
    played = numbers(story.played(after_s=1.5))
    steps = np.diff(played)
    assert (steps[steps != 1]).size <= story.counted().get("slip", 0)
    assert "late" not in story.counted()
    assert "wait" in story.counted()


# Clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_clock_that_drifts_is_followed_by_single_samples(ppm):
    story = heard(Device(fast=1 + ppm * 1e-6), seconds=90.0)
    x = story.played(after_s=2.0)
    assert not np.isnan(x).any()
    slips = np.diff(x)
    assert set(slips) <= {0.0, 1.0, 2.0}
    assert 2 <= (slips != 1).sum() == story.counted()["slip"] <= 9  # 6.6 samples in 88 s
    assert abs(story.ingest.rows["drift_ppm"][0] - ppm) < 60


@pytest.mark.parametrize("fast", [10.0, 2.0, 1.4, 0.5, 0.1])
def test_a_device_that_sends_at_another_rate_than_it_says_is_never_played(fast):
    story = heard(Device(fast=fast), seconds=8.0)
    assert np.isnan(story.played()).all()
    assert story.counted()["implausible"] >= 1


def test_samples_of_the_future_are_refused_and_a_counter_that_has_leapt_begins_anew():
    leap = Device(first=10_000_000)
    story = Story()
    before = Device().sends(4.0)
    after = [
        sent._replace(message=msgspec.structs.replace(sent.message, seq=sent.message.seq + 100))
        for sent in leap.sends(6.0, start_s=4.0)
    ]
    story.hears(before, after, until_s=10.0)
    counted = story.counted()
    assert counted["future"] >= 20
    assert counted["restart"] == 1
    assert story.played()[-1] > 10_000_000


# Devices that change ---------------------------------------------------------------------------


def test_a_device_that_started_anew_takes_over_at_once_and_its_patient_alone_forgets():
    story = Story()
    other = Device(bed="icu/2", name="other").sends(8.0)
    old, new = Device().sends(4.0), Device(incarnation=2).sends(4.0, start_s=4.0)
    late = [old[-1]._replace(arrives_ns=new[3].arrives_ns)]
    story.hears(old, new, late, other, until_s=8.0)
    assert [patient for _, patient in story.changed] == [0]
    assert story.counted()["retired"] == 1
    assert (np.diff(story.played(patient=1, after_s=1.5)) == 1).all()
    assert story.played()[-1] < 1000


def test_a_second_device_waits_until_the_first_has_been_silent_for_two_seconds():
    story = Story()
    mine, thine = Device().sends(4.0), Device(name="thief", first=50_000).sends(12.0)
    story.hears(mine, thine, until_s=12.0)
    x = story.played()
    assert not (x[: 250 * 4] >= 50_000).any()
    assert x[-1] >= 50_000
    assert story.counted()["occupied"] >= 100
    assert [patient for _, patient in story.changed] == [0]


def test_another_rate_begins_anew():
    story = Story()
    second = [
        sent._replace(message=msgspec.structs.replace(sent.message, seq=sent.message.seq + 100))
        for sent in Device(rate_hz=500.0, first=9000).sends(4.0, start_s=4.0)
    ]
    story.hears(Device().sends(4.0), second, until_s=8.0)
    assert [patient for _, patient in story.changed] == [0]
    assert not np.isnan(story.played(after_s=6.5)).any()


def test_leads_of_one_message_stay_together_whatever_the_network_does():
    device = Device(delay_ms=lambda k: (k * 37) % 90)
    sends = [sent._replace(message=_two_leads(sent.message)) for sent in device.sends(8.0)]
    story = Story()
    story.hears(sends, until_s=8.0)
    assert story.played(lead=0).tobytes() == story.played(lead=1).tobytes()
    assert not np.isnan(story.played(after_s=5.0)).all()


def _two_leads(message: Samples) -> Samples:
    row = np.frombuffer(message.table, BLOCK).copy()
    row["signal"] = Signal.ECG_2
    return msgspec.structs.replace(
        message, table=message.table + row.tobytes(), samples=message.samples * 2
    )


# Hostile messages ------------------------------------------------------------------------------


def table(*rows: tuple[int, int, int, int, int]) -> bytes:
    return np.array(list(rows), BLOCK).tobytes()


TEN = bytes(40)
HOSTILE = {
    "shape": (table((0, 0, 10, 250_000, 0))[:-1], TEN),
    "malformed": (table((7, 0, 10, 250_000, 0)), TEN),
    "malformed twice": (table((0, 0, 5, 250_000, 0), (0, 0, 5, 250_000, 5)), TEN),
    "malformed count": (table((0, 0, 11, 250_000, 0)), TEN),
    "malformed none": (table((0, 0, 0, 250_000, 0), (1, 0, 10, 250_000, 0)), TEN),
    "malformed spare": (table((0, 1, 10, 250_000, 0)), TEN),
    "malformed number": (table((0, 0, 10, 250_000, (1 << 64) - 1)), TEN),
    "rate": (table((0, 0, 10, 250_001, 0)), TEN),
    "rate low": (table((0, 0, 10, 75_000, 0)), TEN),
    "rate none": (table((0, 0, 10, 0, 0)), TEN),
    "rate unwanted": (table((int(Signal.ABP), 0, 10, 125_000, 0)), TEN),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_samples_is_counted_by_name(name):
    story = Story()
    rows, samples = HOSTILE[name]
    story.ingest.receive(Samples(64, "icu/1", "x", 1, 0, 0, rows, samples), story.now_ns)
    story.tick()
    assert story.counted() == {name.split()[0]: 1}


def test_an_unknown_bed_and_a_flood_are_refused_at_the_door():
    story = Story()
    device = Device(bed="icu/9")
    story.ingest.receive(device.message(0), story.now_ns)
    flood = Device()
    for k in range(BURST_MAX + 5):
        story.ingest.receive(flood.message(k), story.now_ns)
    story.tick()
    assert {"bed": 1, "burst": 5}.items() <= story.counted().items()


def test_an_infinite_sample_is_none():
    story = heard(Device(value=lambda number: np.where(number % 100 == 7, np.inf, number)))
    x = story.played(after_s=1.5)
    assert np.isnan(x).sum() == pytest.approx(len(x) / 100, abs=1)
    assert story.counted() == {"infinite": 15}


def test_a_sample_that_is_there_is_never_overwritten():
    device = Device()
    sends = device.sends(3.0)
    lie = pack(
        "icu/1", "ecg", 1, 10_000, 1000, [Block(Signal.ECG_1, 250.0, 735, np.ones(10, "f4"))]
    )
    story = Story()
    story.hears(sends, [sends[-1]._replace(message=lie)], until_s=3.04)
    assert story.counted() == {"overlap": 1}


blocks = st.lists(
    st.tuples(
        st.integers(0, 255), st.integers(0, 1), st.integers(0, 900), st.integers(0, 2_000_000),
        st.integers(0, (1 << 64) - 1),
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(blocks, st.binary(min_size=4, max_size=400), st.integers(0, 1 << 32)),
                min_size=1, max_size=12), st.booleans())  # fmt: skip
def test_no_message_of_one_bed_changes_another_beds_samples(messages, plausible):
    quiet, loud = Story(), Story()
    mine = Device().sends(2.0)
    quiet.hears(mine, until_s=2.0)
    for k, (rows, samples, age_us) in enumerate(messages):
        if plausible:
            rows = [(int(Signal.ECG_1), 0, len(samples) // 4, 250_000, rows[0][4] % 4096)]
        samples = samples[: len(samples) // 4 * 4]
        hostile = Samples(64, "icu/2", "x", k // 5, k, age_us & 0xFFFFFFFF, table(*rows), samples)
        loud.ingest.receive(hostile, loud.now_ns)
    loud.hears(mine, until_s=2.0)
    assert quiet.played().tobytes() == loud.played().tobytes()


# The table -------------------------------------------------------------------------------------


def test_every_cause_has_a_counter_of_its_name():
    assert set(Ingest(BEDS, TARGETS).counted()) == set(CAUSES)
    assert len(set(CAUSES)) == len(CAUSES) > len(Cause)
    assert TICK_NS == 40 * MS
