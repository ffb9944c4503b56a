"""A round trip is divided into slices that add up; the largest broke the budget."""

from hypothesis import given
from hypothesis import strategies as st

from safety.profile import MS
from teleop.console.ledger import BUDGET_NS, SLICES, Entry, account

T0 = 10**15
durations = st.integers(0, 50 * MS)


@given(*[durations] * 5)
def test_slices_add_up_to_the_round_trip(console, up, robot, down, net):
    sent_ns = T0 + console
    received_ns = sent_ns + up + robot + down + net
    entry = account(
        intended_ns=T0,
        sent_ns=sent_ns,
        received_ns=received_ns,
        up_ns=up,
        robot_ns=robot,
        down_ns=down,
    )
    assert entry == Entry(received_ns - T0, console, up, robot, down, net, 0)
    assert sum(entry[1:]) == entry.rtt_ns == entry.felt_ns
    assert entry.breaks_budget is (entry.rtt_ns > BUDGET_NS)
    assert getattr(entry, entry.culprit) == max(entry[1:])


@given(durations, durations, durations)
def test_clocks_that_run_fast_elsewhere_never_make_the_network_negative(up, robot, down):
    entry = account(
        intended_ns=T0, sent_ns=T0, received_ns=T0 + MS, up_ns=up, robot_ns=robot, down_ns=down
    )
    assert entry.net >= 0


def test_each_slice_can_be_the_culprit():
    for name in SLICES:
        slices = dict.fromkeys(SLICES, 1)
        slices[name] = 20 * MS
        entry = Entry(20 * MS + 4, **slices)
        assert entry.culprit == name
        assert entry.breaks_budget


def test_the_filters_delay_is_felt_beside_the_round_trip():
    times = {"intended_ns": T0, "sent_ns": T0, "received_ns": T0 + MS}
    entry = account(**times, up_ns=0, robot_ns=0, down_ns=0, filter_ns=20 * MS)
    assert entry.rtt_ns == entry.net == MS
    assert entry.felt_ns == 21 * MS
    assert entry.breaks_budget
    assert entry.culprit == "filter"


def test_the_entrys_fields_are_the_slices_in_order():
    assert Entry._fields == ("rtt_ns", *SLICES)
