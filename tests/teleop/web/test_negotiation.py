"""A ticket is good once, for its own connection, and nobody can take all there is."""

import pytest

from teleop.web.negotiation import EACH_MAX, HALF_OPEN_NS, TICKET_NS, UNDER_WAY_MAX, Negotiations
from teleop.web.refusal import Cause, Refused
from teleop.web.token import Ticket


def ticket(name: str, visit: str = "v", fingerprint: str = "AB") -> Ticket:
    return Ticket(name=name, visit=visit, camera=0, fingerprint=fingerprint, until_ns=TICKET_NS)


def refused(negotiations: Negotiations, used: Ticket, fingerprint: str, now_ns: int) -> Cause:
    with pytest.raises(Refused) as caught:
        negotiations.begin(used, fingerprint, now_ns)
    return caught.value.cause


def test_a_ticket_is_used_once_in_its_life():
    negotiations = Negotiations()
    negotiations.begin(ticket("t"), "AB", 0)
    for now_ns in (0, HALF_OPEN_NS, TICKET_NS - 1):
        assert refused(negotiations, ticket("t"), "AB", now_ns) is Cause.REUSED


def test_a_stolen_ticket_is_of_no_use_with_another_certificate_and_stays_good_for_its_owner():
    negotiations = Negotiations()
    assert refused(negotiations, ticket("t"), "CD", 0) is Cause.FINGERPRINT
    negotiations.begin(ticket("t"), "AB", 1)


def test_one_visit_has_its_part_and_no_more():
    negotiations = Negotiations()
    for number in range(EACH_MAX):
        negotiations.begin(ticket(f"{number}"), "AB", 0)
    assert refused(negotiations, ticket("more"), "AB", HALF_OPEN_NS - 1) is Cause.BUSY
    negotiations.begin(ticket("other", visit="w"), "AB", 1)
    negotiations.begin(ticket("more"), "AB", HALF_OPEN_NS)


def test_all_visits_together_are_bounded():
    negotiations = Negotiations()
    outcomes = []
    for number in range(200):
        try:
            negotiations.begin(ticket(f"{number}", visit=f"{number}"), "AB", number)
            outcomes.append(None)
        except Refused as error:
            outcomes.append(error.cause)
    assert outcomes == [None] * UNDER_WAY_MAX + [Cause.BUSY] * (200 - UNDER_WAY_MAX)


def test_what_is_remembered_is_forgotten():
    negotiations = Negotiations()
    for second in range(0, 1000, 10):
        negotiations.begin(ticket(f"{second}"), "AB", second * HALF_OPEN_NS)
    assert len(negotiations._used) + len(negotiations._begun) <= 2
