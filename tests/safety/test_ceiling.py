"""Each source holds its own ceiling; the lowest counts, and silence means what policy says."""

from hypothesis import given
from hypothesis import strategies as st

from safety.ceiling import SILENCE_POLICY, Ceilings
from safety.state import State

POLICIES = {"watchdogd": State.HOLD, "visiond": State.DEGRADED, "relayd1": State.ENGAGED}


def test_without_ceilings_nothing_is_held_down():
    ceilings = Ceilings(POLICIES)
    assert ceilings.lowest(0) == (State.ENGAGED, "")
    assert ceilings.next_deadline_ns(0) is None


def test_only_named_sources_may_speak():
    ceilings = Ceilings(POLICIES)
    assert ceilings.allows("watchdogd")
    assert not ceilings.allows("somebody")


def test_the_lowest_counts_and_says_who_and_why():
    ceilings = Ceilings(POLICIES)
    ceilings.set("visiond", State.DEGRADED, "drift", 1000)
    ceilings.set("watchdogd", State.HOLD, "relay hangs", 1000)
    assert ceilings.lowest(0) == (State.HOLD, "watchdogd: relay hangs")


def test_a_sources_newer_ceiling_replaces_its_older_one_but_no_others():
    ceilings = Ceilings(POLICIES)
    ceilings.set("watchdogd", State.HOLD, "relay hangs", 1000)
    ceilings.set("visiond", State.DEGRADED, "drift", 1000)
    ceilings.set("watchdogd", State.ENGAGED, "", 1000)
    assert ceilings.lowest(0) == (State.DEGRADED, "visiond: drift")
    ceilings.set("visiond", State.ENGAGED, "", 1000)
    assert ceilings.lowest(0) == (State.ENGAGED, "")


def test_an_expired_ceiling_becomes_its_sources_silence_policy():
    ceilings = Ceilings(POLICIES)
    ceilings.set("watchdogd", State.ENGAGED, "", 100)
    ceilings.set("visiond", State.ENGAGED, "", 200)
    ceilings.set("relayd1", State.ESTOP, "pressed", 300)
    assert ceilings.lowest(99)[0] is State.ESTOP
    assert ceilings.next_deadline_ns(99) == 100
    assert ceilings.next_deadline_ns(100) == 200
    assert ceilings.lowest(300) == (State.HOLD, "watchdogd is silent")
    ceilings.set("watchdogd", State.ENGAGED, "", 900)
    assert ceilings.lowest(300) == (State.DEGRADED, "visiond is silent")
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
        ceilings.set(source, state, "why", expires_ns)
        newest[source] = state, expires_ns
    in_force = [
        state if now_ns < expires_ns else POLICIES[source]
        for source, (state, expires_ns) in newest.items()
    ]
    assert ceilings.lowest(now_ns)[0] is min(in_force, default=State.ENGAGED)
    alive = [expires_ns for _, expires_ns in newest.values() if expires_ns > now_ns]
    assert ceilings.next_deadline_ns(now_ns) == min(alive, default=None)
