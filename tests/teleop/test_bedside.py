"""The team's command: what it says, how long it holds a key, what a person is shown."""

import os
import socket
import threading
from contextlib import contextmanager

import pytest

from safety.bedside import WORDS, Bind, Override, Report, Token
from safety.messages import Bedside
from safety.profile import MS
from safety.state import Cause, State
from teleop.cli import main
from teleop.node.bedside import BedsideError, Bedsocket, hold, in_words
from teleop.node.bedside_screen import NEWS_NS, Screen
from transport.wire.codec import Registry, encode

SAID = Registry(WORDS)


def report(**changes):
    fields = {
        "kind": 24,
        "robot": "robot",
        "state": State.HOLD,
        "cause": Cause.LOCAL,
        "local": True,
        "moving": "",
        "console": "surgeon",
        "epoch": 7,
        "held_ms": 65_000,
        "bed": "or-3",
        "patient": "p-1",
        "why": "",
    }
    return Report(**{**fields, **changes})


@contextmanager
def robot(folder, answers):
    """A robot's bedside socket: says its answers in order, the last one for ever."""
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(os.fspath(folder / "bedside-robot.sock"))
        listener.listen()

        def serve():
            with listener.accept()[0] as client:
                while data := client.recv(4096):
                    heard.append(SAID.decode(data))
                    answer = answers[min(len(heard), len(answers)) - 1]
                    if answer is None:
                        return
                    client.send(encode(answer))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield heard


@pytest.fixture
def node(tmp_path):
    """A node.toml beside the robot's socket."""
    path = tmp_path / "node.toml"
    path.write_text("[node]\nrun_dir = '.'\n")
    return os.fspath(path)


def test_a_key_is_held_by_tokens_of_one_press_and_let_go_by_a_word(tmp_path):
    waited = []
    with robot(tmp_path, [report()]) as heard, Bedsocket(tmp_path, "robot") as link:
        assert hold(link, "retract", 0, 0.5, wait=waited.append).why == ""
    *tokens, last = heard
    assert [token.motion for token in tokens] == ["retract"] * 11
    assert len({token.press for token in tokens}) == 1
    assert max(waited) * 1000 * MS <= 50 * MS
    assert last == Bedside(20, "stop")


def test_a_press_that_the_robot_has_ended_is_not_pressed_on(tmp_path):
    answers = [report(), report(), report(why="nothing to token in ESTOP")]
    with robot(tmp_path, answers) as heard, Bedsocket(tmp_path, "robot") as link:
        found = hold(link, "release", 0, 60.0, wait=lambda _: None)
    assert found.why
    assert len(heard) == 3


def test_a_robot_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BedsideError, match="robot does not answer"):
        Bedsocket(tmp_path, "robot")


def test_another_bedside_that_took_over_is_named(tmp_path):
    with (
        robot(tmp_path, [None]),
        Bedsocket(tmp_path, "robot") as link,
        pytest.raises(BedsideError, match=r"another bedside|does not answer"),
    ):
        link.say("status")


def test_a_person_is_told_state_cause_holder_and_bed():
    words = "\n".join(in_words(report()))
    for told in ("HOLD", "the team at the robot has taken it", "surgeon", "65 s", "or-3", "LOCAL"):
        assert told in words
    assert "nobody" in "\n".join(in_words(report(console="")))


def test_the_screen_says_a_token_while_a_key_repeats_and_stop_when_it_no_longer_does(tmp_path):
    with robot(tmp_path, [report()]) as heard, Bedsocket(tmp_path, "robot") as link:
        screen = Screen(link)
        for ms in range(0, 1500, 25):
            typed = b"r" if ms in (0, *range(400, 1000, 25)) else b""
            assert screen.feed(typed, ms * MS)
            if ms < 400:
                assert not any(isinstance(said, Token) for said in heard)
        tokens = [said for said in heard if isinstance(said, Token)]
        assert len(tokens) >= 20
        assert len({token.press for token in tokens}) == 1
        assert heard.count(Bedside(20, "stop")) == 1
        assert screen.feed(b"x", 1500 * MS)
        assert heard[-2] == Bedside(20, "estop")
        assert any("HOLD" in row for row in screen.rows())
        assert not screen.feed(b"q", 1600 * MS)


def test_the_screen_forgets_what_came_of_a_key_when_that_may_be_true_no_longer(tmp_path):
    answers = [report(), report(why="no reset yet: pillar: pressed"), report()]
    with robot(tmp_path, answers), Bedsocket(tmp_path, "robot") as link:
        screen = Screen(link)
        screen.feed(b"z", 10**12)
        assert "no reset yet: pillar: pressed" in screen.rows()
        screen.feed(b"", 10**12 + NEWS_NS - 1)
        assert "no reset yet: pillar: pressed" in screen.rows()
        screen.feed(b"", 10**12 + NEWS_NS)
        assert "no reset yet: pillar: pressed" not in screen.rows()


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (["bind", "or-3", "p-1"], Bind(22, "or-3", "p-1")),
        (["bind", "or-3"], Bind(22, "or-3", "")),
        (["break", "surgeon2"], Override(23, "surgeon2")),
        (["take"], Bedside(20, "take")),
        (["status"], Bedside(20, "status")),
    ],
)
def test_the_command_says_its_verb(tmp_path, capsys, node, verb, said):
    with robot(tmp_path, [report()]) as heard:
        assert main(["bedside", "--config", node, "--json", *verb]) == 0
    assert heard == [said]
    assert '"state":"HOLD"' in capsys.readouterr().out


def test_the_command_ends_with_1_when_nothing_came_of_it(tmp_path, capsys, node):
    with robot(tmp_path, [report(why="nothing to reset in IDLE")]):
        assert main(["bedside", "--config", node, "reset"]) == 1
    assert "nothing to reset" in capsys.readouterr().out


@pytest.mark.parametrize(
    "said",
    [
        ["--config", None, "--json", "status"],
        ["status", "--config", None, "--json"],
        ["--json", "status", "--config", None],
        ["bind", "--config", None, "or-3", "--json"],
        ["retract", "--seconds", "0", "--json", "--config", None],
    ],
)
def test_its_options_may_stand_on_either_side_of_the_verb(tmp_path, capsys, node, said):
    with robot(tmp_path, [report()]):
        assert main(["bedside", *(node if word is None else word for word in said)]) == 0
    assert '"state":"HOLD"' in capsys.readouterr().out


def test_the_option_behind_the_verb_counts(tmp_path, capsys, node):
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(f"[node]\nrun_dir = '{tmp_path}/nowhere'\n")
    with robot(tmp_path, [report()]):
        said = ["bedside", "--config", os.fspath(elsewhere), "status", "--config", node]
        assert main(said) == 0
