"""Each source holds its own ceiling; the lowest counts, and silence means what policy says."""

from hypothesis import given
from hypothesis import strategies as st

from safety.ceiling import SILENCE_POLICY, Ceilings
from safety.state import State

POLICIES = {"watchdogd": State.HOLD, "visiond": State.DEGRADED, "relayd1": State.ENGAGED}


def test_without_ceilings_nothing_is_held_down():
    ceilings = Ceilings(POLICIES)
    assert ceilings.lowest(0)[:2] == (State.ENGAGED, "")
    assert ceilings.next_deadline_ns(0) is None


def test_only_named_sources_may_speak():
    ceilings = Ceilings(POLICIES)
    assert ceilings.allows("watchdogd")
    assert not ceilings.allows("somebody")


def test_the_lowest_counts_and_says_who_and_why():
    ceilings = Ceilings(POLICIES)
    ceilings.set("visiond", State.DEGRADED, "drift", 1000, 0)
    ceilings.set("watchdogd", State.HOLD, "relay hangs", 1000, 0)
    assert ceilings.lowest(0)[:2] == (State.HOLD, "watchdogd: relay hangs")


def test_a_sources_newer_ceiling_replaces_its_older_one_but_no_others():
    ceilings = Ceilings(POLICIES)
    ceilings.set("watchdogd", State.HOLD, "relay hangs", 1000, 0)
    ceilings.set("visiond", State.DEGRADED, "drift", 1000, 0)
    ceilings.set("watchdogd", State.ENGAGED, "", 1000, 0)
    assert ceilings.lowest(0)[:2] == (State.DEGRADED, "visiond: drift")
    ceilings.set("visiond", State.ENGAGED, "", 1000, 0)
    assert ceilings.lowest(0)[:2] == (State.ENGAGED, "")


def test_an_expired_ceiling_becomes_its_sources_silence_policy():
    ceilings = Ceilings(POLICIES)
    ceilings.set("watchdogd", State.ENGAGED, "", 100, 0)
    ceilings.set("visiond", State.ENGAGED, "", 200, 0)
    ceilings.set("relayd1", State.ESTOP, "pressed", 300, 0)
    assert ceilings.lowest(99).state is State.ESTOP
    assert ceilings.next_deadline_ns(99) == 100
    assert ceilings.next_deadline_ns(100) == 200
    assert ceilings.lowest(300)[:2] == (State.HOLD, "watchdogd is silent")
    ceilings.set("watchdogd", State.ENGAGED, "", 900, 0)
    assert ceilings.lowest(300)[:2] == (State.DEGRADED, "visiond is silent")
    assert ceilings.next_deadline_ns(300) == 900


def test_policies_have_the_words_of_node_toml():
    assert SILENCE_POLICY == {
        "none": State.ENGAGED,
        "degraded": State.DEGRADED,
        "hold": State.HOLD,
    }


settings = st.tuples(
    st.sampled_from(list(POLICIES)), st.sampled_from(list(State)), st.integers(0, 1000)
)


@given(st.lists(settings, max_size=20), st.integers(0, 1200))
def test_the_lowest_is_the_minimum_over_the_newest_of_each_source(said, now_ns):
    ceilings = Ceilings(POLICIES)
    newest = {}
    for source, state, expires_ns in said:
        ceilings.set(source, state, "why", expires_ns, 0)
        newest[source] = state, expires_ns
    in_force = [
        state if now_ns < expires_ns else POLICIES[source]
        for source, (state, expires_ns) in newest.items()
    ]
    assert ceilings.lowest(now_ns).state is min(in_force, default=State.ENGAGED)
    alive = [expires_ns for _, expires_ns in newest.values() if expires_ns > now_ns]
    assert ceilings.next_deadline_ns(now_ns) == min(alive, default=None)


# Wired emergency stops ---------------------------------------------------------------------------

MS = 1_000_000


def test_a_wired_stop_that_was_never_heard_lets_nothing_arm():
    ceilings = Ceilings(POLICIES, wired=("pillar",))
    assert ceilings.allows("pillar")
    assert ceilings.lowest(10**15) == (State.IDLE, "pillar: not heard yet", False, True)
    assert ceilings.next_deadline_ns(0) is None


def test_a_wired_stop_is_good_for_20_ms_whatever_it_says():
    ceilings = Ceilings(POLICIES, wired=("pillar",))
    ceilings.set("pillar", State.ENGAGED, "", 10_000 * MS, 5 * MS)
    assert ceilings.lowest(25 * MS - 1) == (State.ENGAGED, "", False, True)
    assert ceilings.next_deadline_ns(5 * MS) == 25 * MS
    assert ceilings.lowest(25 * MS) == (State.PROTECTIVE_STOP, "pillar is silent", True, True)


def test_a_token_lost_counts_as_such_only_where_it_is_the_lowest():
    ceilings = Ceilings(POLICIES, wired=("pillar",))
    ceilings.set("pillar", State.ENGAGED, "", 20 * MS, 0)
    ceilings.set("watchdogd", State.ESTOP, "pressed", 1000 * MS, 0)
    assert ceilings.lowest(30 * MS) == (State.ESTOP, "watchdogd: pressed", False, True)


def test_a_wired_stop_is_down_until_it_says_otherwise_and_no_other_source_is():
    ceilings = Ceilings(POLICIES, wired=("pillar",))
    ceilings.set("relayd1", State.ESTOP, "pressed", 100, 0)
    assert not ceilings.is_pressed
    ceilings.set("pillar", State.ESTOP, "pressed", 100, 0)
    assert ceilings.is_pressed
    ceilings.set("pillar", State.ENGAGED, "", 100, 0)
    assert not ceilings.is_pressed


def test_the_silence_of_a_source_that_is_not_wired_is_no_lost_token():
    ceilings = Ceilings(POLICIES, wired=("pillar",))
    ceilings.set("pillar", State.ENGAGED, "", 20 * MS, 90 * MS)
    ceilings.set("watchdogd", State.ENGAGED, "", 50 * MS, 0)
    assert ceilings.lowest(100 * MS) == (State.HOLD, "watchdogd is silent", False, True)


# Watchdogs ----------------------------------------------------------------------------------------


def test_a_watchdog_that_was_never_heard_lets_nothing_arm():
    ceilings = Ceilings(POLICIES, watchdogs=("warden",))
    assert ceilings.allows("warden")
    assert ceilings.lowest(0) == (State.DEGRADED, "warden is silent", False, False)
    assert ceilings.next_deadline_ns(0) is None


def test_a_watchdog_that_is_heard_stands_in_nobodys_way_until_it_falls_silent():
    ceilings = Ceilings(POLICIES, watchdogs=("warden",))
    ceilings.set("warden", State.ENGAGED, "", 50 * MS, 0)
    assert ceilings.lowest(50 * MS - 1) == (State.ENGAGED, "", False, True)
    assert ceilings.lowest(50 * MS) == (State.DEGRADED, "warden is silent", False, False)
    ceilings.set("warden", State.HOLD, "relayd is down", 50 * MS, 60 * MS)
    assert ceilings.lowest(61 * MS) == (State.HOLD, "warden: relayd is down", False, True)


def test_what_another_source_imposes_hides_no_silent_watchdog():
    ceilings = Ceilings(POLICIES, watchdogs=("warden", "second"))
    ceilings.set("second", State.ENGAGED, "", 50 * MS, 0)
    ceilings.set("watchdogd", State.ESTOP, "pressed", 1000 * MS, 0)
    assert ceilings.lowest(1) == (State.ESTOP, "watchdogd: pressed", False, False)
