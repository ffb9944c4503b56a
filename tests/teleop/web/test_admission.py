"""A link opens one visit, once, within its time; guessing opens none, and is named."""

import pytest

from teleop.web.admission import CODE_MAX, GUESSES_BURST, LINK_NS, LINKS_MAX, VISIT_NS, Admission
from teleop.web.refusal import Cause, Refused
from teleop.web.token import S


def refused(admission: Admission, code: str, now_ns: int = 0) -> Cause:
    with pytest.raises(Refused) as caught:
        admission.enter(code, "v", now_ns)
    return caught.value.cause


def test_a_link_opens_one_visit_of_its_role():
    admission = Admission()
    admission.issue("observer", "code", 0)
    visit = admission.enter("code", "first", 5)
    assert (visit.name, visit.role, visit.until_ns) == ("first", "observer", 5 + VISIT_NS)


def test_who_comes_second_is_refused():
    admission = Admission()
    admission.issue("observer", "code", 0)
    admission.enter("code", "first", 1)
    assert refused(admission, "code", 2) is Cause.LINK


def test_a_link_lasts_ten_minutes_and_not_a_nanosecond_more():
    for late_ns, good in ((LINK_NS - 1, True), (LINK_NS, False)):
        admission = Admission()
        admission.issue("observer", "code", 0)
        if good:
            admission.enter("code", "v", late_ns)
        else:
            assert refused(admission, "code", late_ns) is Cause.LINK
            assert refused(admission, "code", late_ns) is Cause.LINK


@pytest.mark.parametrize("code", ["", "cod", "code ", "CODE", "x" * (CODE_MAX + 1), "\ud800"])
def test_a_wrong_link_opens_nothing_and_leaves_the_right_one(code: str):
    admission = Admission()
    admission.issue("observer", "code", 0)
    assert refused(admission, code) is Cause.LINK
    admission.enter("code", "v", 1)


def test_guessing_is_slowed_down_and_never_keeps_a_right_link_out():
    admission = Admission()
    admission.issue("observer", "code", 0)
    causes = [refused(admission, f"guess-{n}", n) for n in range(100)]
    assert causes == [Cause.LINK] * GUESSES_BURST + [Cause.GUESSES] * (100 - GUESSES_BURST)
    admission.enter("code", "v", 101)
    assert refused(admission, "guess", 100 * S) is Cause.LINK


def test_links_wait_in_bounded_number_and_old_ones_make_room():
    admission = Admission()
    for number in range(LINKS_MAX):
        admission.issue("observer", f"{number}", 0)
    with pytest.raises(Refused) as caught:
        admission.issue("observer", "more", 1)
    assert caught.value.cause is Cause.FULL
    admission.issue("observer", "later", LINK_NS)
    assert len(admission) == 1


@pytest.mark.parametrize("role", ["", "surgeon", "Observer", "admin"])
def test_a_link_is_for_a_role_that_there_is(role: str):
    with pytest.raises(Refused, match="a link is for one of observer"):
        Admission().issue(role, "code", 0)


def test_the_code_itself_is_not_kept():
    admission = Admission()
    admission.issue("observer", "very-secret-code", 0)
    assert "very-secret-code" not in repr(vars(admission))
