"""For every state, fault and ceiling: permission rises by an act of the table alone."""

from hypothesis import given
from hypothesis import strategies as st

from safety.ceiling import SILENCE_POLICY, Ceilings
from safety.clamp import WORDS as CLAMP_WORDS
from safety.clamp import Rule
from safety.interlock import RAISES, Act, Interlock
from safety.limiter import Limiter
from safety.limits import Limits
from safety.state import Cause, State
from safety.topics import TOPICS
from tests.safety.hands import MS, START

POLICIES = {f"{word} source": state for word, state in SILENCE_POLICY.items()}
WIRED = ("pillar",)
SOURCES = (*POLICIES, *WIRED)

happenings = st.one_of(
    st.tuples(st.just("act"), st.sampled_from(list(Act))),
    st.tuples(st.just("fault"), st.sampled_from(list(State)), st.sampled_from(list(Cause))),
    st.tuples(
        st.just("ceiling"),
        st.sampled_from(SOURCES),
        st.sampled_from(list(State)),
        st.integers(0, 50),
    ),
    st.tuples(st.just("wait"), st.integers(0, 60)),
)


def at(state, ceiling=State.ENGAGED):
    interlock = Interlock()
    interlock.state, interlock.ceiling = state, ceiling
    return interlock


def test_every_state_under_every_fault_and_every_ceiling_is_the_lowest_of_the_three():
    for state in State:
        for fault in State:
            for ceiling in State:
                for cause in Cause:
                    interlock = at(state, ceiling)
                    interlock.lower(ceiling, Cause.CEILING, 0)
                    interlock.lower(fault, cause, 1)
                    interlock.explain(cause)
                    assert interlock.state is min(state, fault, ceiling)


def test_every_act_in_every_state_under_every_ceiling_raises_by_its_row_or_not_at_all():
    for state in State:
        for ceiling in State:
            for act in Act:
                interlock = at(state, ceiling)
                row = RAISES[state].get(act)
                if interlock.permits(act):
                    interlock.act(act, Cause.NONE, 0)
                    assert interlock.state is row
                    assert row <= ceiling
                else:
                    assert row is None or row > ceiling


@given(st.sampled_from(list(State)), st.lists(happenings, max_size=40))
def test_whatever_happens_a_source_only_lowers_and_only_a_row_raises(start, story):
    interlock, ceilings, now_ns = at(start), Ceilings(POLICIES, WIRED), 0
    for what, *said in story:
        before = interlock.state
        if what == "wait":
            now_ns += said[0] * MS
        elif what == "ceiling":
            source, state, ttl_ms = said
            ceilings.set(source, state, "why", ttl_ms * MS, now_ns)
        interlock.ceiling = ceilings.lowest(now_ns).state
        interlock.lower(interlock.ceiling, Cause.CEILING, now_ns)
        assert interlock.state <= min(before, interlock.ceiling)
        if what == "fault":
            interlock.lower(said[0], said[1], now_ns)
            assert interlock.state <= before
        elif what == "act" and interlock.permits(said[0]):
            lowered = interlock.state
            interlock.act(said[0], Cause.NONE, now_ns)
            assert interlock.state is RAISES[lowered][said[0]]
            assert interlock.state <= interlock.ceiling


@given(st.lists(st.floats(-0.02, 0.02), min_size=1, max_size=40))
def test_degraded_never_permits_a_step_that_engaged_would_not(xs):
    """The same hand under both: at each step the slower state goes no further from there."""
    slow = Limiter(Limits(lag_m_max=0.1))
    slow.reset(START, 0)
    fast = Limiter(Limits(lag_m_max=0.1))
    for n, x in enumerate(xs, 1):
        old = slow.setpoint
        fast.reset(old, (n - 1) * MS)
        wish = START._replace(x=START.x + x)
        step = slow.step(wish, degraded=True, now_ns=n * MS)
        assert abs(step.setpoint.x - old.x) <= Limits().degraded_speed_m_s * 0.02 + 1e-12


def test_every_rule_has_words_and_every_flow_a_budget():
    assert set(CLAMP_WORDS) == set(Rule)
    assert all(CLAMP_WORDS[rule] for rule in Rule if rule)
    assert all(topic.budget_ms > 0 for topic in TOPICS)
