"""A wired stop says that it is there, and a press until it is acknowledged."""

from safety.ceiling import Ceilings
from safety.estop import TOKEN_NS, TOKEN_NS_MAX, Button
from safety.messages import Ceiling
from safety.profile import MS
from safety.state import State
from transport.wire.codec import Registry, encode


def said(button, ms):
    """What a box says in so many milliseconds, looked at every one."""
    told = [(t, button.to_send(t * MS)) for t in range(ms)]
    return [(t, message.max_state) for t, message in told if message is not None]


def test_a_box_says_its_token_every_5_ms_at_once_from_the_start():
    button = Button("pillar", "psm1")
    assert button.next_deadline_ns() == 0
    assert said(button, 16) == [(t, State.ENGAGED) for t in (0, 5, 10, 15)]
    assert button.next_deadline_ns() == 20 * MS


def test_its_token_names_it_and_lives_for_20_ms():
    token = Button("pillar", "psm1").to_send(0)
    assert (token.source, token.robot, token.cause) == ("pillar", "psm1", "")
    assert token.ttl_ms * MS == TOKEN_NS_MAX == 4 * TOKEN_NS


def test_what_a_box_says_is_read_as_a_ceiling_by_whoever_decodes_it():
    token = Button("pillar", "psm1").to_send(0)
    assert Registry((Ceiling,)).decode(encode(token)) == token


def test_a_button_that_is_read_again_and_again_and_never_down_says_nothing_else():
    button = Button("pillar", "psm1")
    for t in range(20):
        button.read(down=False)
        token = button.to_send(t * MS)
        assert token is None or token.max_state is State.ENGAGED
    assert not button.is_pressed


def test_a_press_is_said_at_once_and_again_until_it_is_acknowledged_and_up():
    button = Button("pillar", "psm1")
    button.to_send(0)
    button.read(down=True)
    assert button.is_pressed
    pressed = button.to_send(MS)
    assert (pressed.max_state, pressed.cause) == (State.ESTOP, "pressed")
    button.read(down=True)
    assert button.to_send(2 * MS) is None
    button.acknowledged(State.HOLD)
    button.read(down=False)
    assert button.to_send(6 * MS).max_state is State.ESTOP, "a short press is owed"
    button.acknowledged(State.ESTOP)
    assert not button.is_pressed
    assert button.to_send(11 * MS).max_state is State.ENGAGED


def test_a_button_that_is_still_down_is_said_though_it_was_acknowledged():
    button = Button("pillar", "psm1")
    button.read(down=True)
    button.acknowledged(State.ESTOP)
    assert button.to_send(0).max_state is State.ESTOP


def test_three_lost_tokens_are_borne_and_a_cut_cable_is_not():
    ceilings, button = Ceilings({}, wired=("pillar",)), Button("pillar", "psm1")
    for t in range(100):
        token = button.to_send(t * MS)
        if token is not None and t % 20 == 0:
            ceilings.set("pillar", State(token.max_state), "", token.ttl_ms * MS, t * MS)
        assert ceilings.lowest(t * MS).state is State.ENGAGED
    assert ceilings.lowest(100 * MS).state is State.PROTECTIVE_STOP
