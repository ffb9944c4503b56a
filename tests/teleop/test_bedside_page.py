"""The bedside's screen in any terminal: legible, never without the emergency stop, honest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.state import Cause, State
from teleop.node.bedside import facts, standing
from teleop.node.bedside_page import COLUMNS_MIN, KEYS, VITAL, page
from tests.teleop.test_bedside import report

LONG = "robot-" + "x" * 26
NEWS = "no reset yet: pillar: pressed"


def plain(rows):
    return [re.sub(r"\x1b\[[0-9;]*m", "", row) for row in rows]


def on(columns, lines, said=None, news="", *, releases=False):
    rows = page(said or report(), news, releases=releases, columns=columns, lines=lines)
    return plain(rows)


def words(rows):
    return " ".join(" ".join(rows).split())


@pytest.mark.parametrize("columns", [COLUMNS_MIN, 41, 60, 80, 100, 200])
@pytest.mark.parametrize("releases", [True, False])
def test_from_40_columns_on_all_is_shown_and_no_key_is_torn_from_its_word(columns, releases):
    said = report(moving="retract", bed="or-" + "b" * 20, patient="p-" + "c" * 18)
    rows = on(columns, 24, said, NEWS, releases=releases)
    assert standing(said) in words(rows)
    assert NEWS in words(rows)
    for name, what in facts(said):
        assert any(row.startswith(name) for row in rows)
        assert what in words(rows)
    for key in KEYS:
        assert any(key in row for row in rows)
    assert ("first repeat" in words(rows)) is not releases
    assert "no room" not in words(rows)


def test_below_40_columns_it_says_what_is_missing():
    rows = on(32, 24, news=NEWS)
    text = words(rows)
    assert standing(report()) in text
    assert NEWS in text
    assert all(key in text for key in VITAL)
    assert "surgeon" not in text
    assert text.endswith(
        "no room (32 x 24; 40 columns are needed) for: control, authority, stands at, other keys"
    )


def test_in_few_lines_the_least_important_leaves_first_and_is_named():
    whole = on(60, 24)
    short = on(60, len(whole) - 2)
    assert "no room" in words(short)
    assert "stands at" in words(short).partition("for: ")[2]
    assert not any(row.startswith("stands at") for row in short)
    assert any(row.startswith("control") for row in short)
    # An empty line may go without a word.
    assert "no room" not in words(on(60, len(whole) - 1))


def test_a_stopped_robot_is_red_in_each_of_its_lines():
    said = report(state=State.ESTOP, cause=Cause.ESTOP_PRESSED, robot=LONG)
    rows = page(said, "", releases=True, columns=COLUMNS_MIN)
    red = [row for row in rows if "\x1b[1;37;41m" in row]
    assert words(plain(red)) == standing(said)
    assert len(red) > 1
    assert not any("41m" in row for row in page(report(), "", releases=True))


@given(
    columns=st.integers(20, 200),
    lines=st.integers(8, 60),
    state=st.sampled_from(State),
    cause=st.sampled_from(Cause),
    robot=st.sampled_from(["r", LONG]),
    news=st.sampled_from(["", NEWS, "x" * 200]),
    moving=st.sampled_from(["", "retract"]),
)
def test_in_every_terminal_it_keeps_within_and_keeps_the_emergency_stop(
    columns, lines, state, cause, robot, news, moving
):
    said = report(state=state, cause=cause, robot=robot, moving=moving)
    rows = on(columns, lines, said, news)
    assert len(rows) <= lines
    assert all(len(row) <= columns for row in rows)
    assert State(state).name in "".join(rows)
    assert any(VITAL[0] in row for row in rows)
