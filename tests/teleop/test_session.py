"""Who holds what, for people; and their words, to the one console that they are for."""

import json
import socket
import threading
from pathlib import Path

import msgspec
import pytest

from safety.grant import Release, Role
from safety.handover import Confirm, Offer, Standing, Withdraw
from safety.messages import NO_SESSION
from safety.seat import Holder, Phase, Row
from safety.store.sqlite import SqliteStore
from teleop import cli
from teleop.console.handover import has_passed_on, in_words, said
from teleop.console.operator import Stood
from teleop.node import console as node_console
from teleop.node import rotation, session
from teleop.node.config import load
from teleop.node.sections import NodeConfig
from teleop.node.session import Console, SessionError, choose
from teleop.node.slices import Wish, authority_path, console_slice
from tests.teleop.test_operator import Console as Operated
from tests.world.rig import ROBOT
from transport.io import keys
from transport.wire.codec import Registry, encode
from transport.wire.messages import Refused

WORDS = Registry((Offer, Confirm, Withdraw, Release))
ROOT = Path(__file__).resolve().parents[2]
NOW, HOUR_S = 1_700_000_000_000_000_000, 3600


def held(phase=Phase.GRANTED, **changes):
    holder = Holder("surgeon1", b"session1", Role.SURGEON, 7)
    return Row("robot", phase, 7, holder=holder)._replace(**changes)


def standing(**changes):
    fields = {
        "kind": 59,
        "robot": ROBOT,
        "phase": Phase.HANDOVER,
        "holder": "surgeon1",
        "epoch": 7,
        "held_ms": 0,
        "left_s": 0,
        "to": "surgeon2",
        "confirmed": (),
        "waiting": (),
        "observers": (),
        "why": "surgeon1 offers it",
    }
    return Standing(**{**fields, **changes})


# A console's words -------------------------------------------------------------------------------


def test_a_holder_offers_under_its_session_and_nobody_else_can():
    console = Operated()
    assert console.operator.offer("surgeon2") is None
    console.grant()
    assert WORDS.decode(console.operator.offer("surgeon2")) == Offer(
        56, console.session, "surgeon2"
    )
    offer = Offer(56, NO_SESSION, "surgeon2")
    assert said(console.operator, offer) == console.operator.offer("surgeon2")


def test_both_sides_confirm_and_withdraw_by_the_robots_name():
    console = Operated()
    for word in (Confirm(57, ROBOT), Withdraw(58, ROBOT)):
        assert said(console.operator, word) == encode(word)
    assert said(console.operator, Release(54, NO_SESSION)) is None


def test_what_is_said_of_its_robot_reaches_the_person_and_of_others_not():
    console = Operated()
    console.operator.answered(standing(robot="psm9"))
    assert console.operator.next_event() is None
    console.operator.answered(standing())
    assert console.operator.next_event() == Stood(standing())


@pytest.mark.parametrize(
    ("confirmed", "words"),
    [
        ((), "surgeon1 offers it; the robot holds; waits for surgeon1 and surgeon2 to confirm"),
        (("surgeon1",), "surgeon1 offers it; the robot holds; waits for surgeon2 to confirm"),
        (("surgeon1", "surgeon2"), "surgeon1 offers it; the robot holds"),
    ],
)
def test_a_person_is_told_who_has_to_confirm_still(confirmed, words):
    assert in_words(standing(confirmed=confirmed)) == words


def test_a_hand_over_that_is_done_is_told_and_known_on_both_sides():
    done = standing(phase=Phase.GRANTED, holder="surgeon2", to="", why="surgeon2 has it now")
    assert in_words(done) == "surgeon2 has it now"
    assert has_passed_on(done, "surgeon1")
    assert not has_passed_on(done, "surgeon2")
    assert not has_passed_on(standing(), "surgeon1")
    assert not has_passed_on(standing(phase=Phase.GRANTED, holder=""), "surgeon1")


# Which console -----------------------------------------------------------------------------------

FIRST, SECOND, THIRD = (Console(f"surgeon{n}", "robot", None) for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("found", "row", "verb", "name", "chosen"),
    [
        ([FIRST], None, "offer", "", FIRST),
        ([FIRST, SECOND], held(), "offer", "", FIRST),
        ([FIRST, SECOND], held(), "confirm", "", FIRST),
        ([SECOND, THIRD], held(Phase.HANDOVER, to="surgeon2"), "confirm", "", SECOND),
        ([FIRST, SECOND], held(Phase.HANDOVER, to="surgeon2"), "release", "", FIRST),
        (
            [FIRST, SECOND, THIRD],
            held(Phase.HANDOVER, to="surgeon2"),
            "confirm",
            "surgeon2",
            SECOND,
        ),
    ],
)
def test_a_word_goes_to_the_one_console_that_it_fits(found, row, verb, name, chosen):
    rows = {"robot": row} if row else {}
    assert choose(found, rows, verb, name) is chosen


@pytest.mark.parametrize(
    ("found", "row", "name", "words"),
    [
        ([], None, "", "no console of this robot runs here"),
        ([FIRST], held(), "surgeon9", "no console 'surgeon9' runs here"),
        ([SECOND, THIRD], held(), "", "surgeon2, surgeon3 run here: say which"),
        ([SECOND, THIRD], None, "", "surgeon2, surgeon3 run here: say which"),
        (
            [FIRST, SECOND],
            held(Phase.HANDOVER, to="surgeon2"),
            "",
            "surgeon1, surgeon2 run here: say which",
        ),
    ],
)
def test_where_it_is_not_clear_a_person_is_asked(found, row, name, words):
    with pytest.raises(SessionError, match=words):
        choose(found, {"robot": row} if row else {}, "confirm", name)


def test_consoles_are_found_where_they_run_and_by_what_they_were_told(tmp_path, monkeypatch):
    config = load(ROOT / "node.toml")
    monkeypatch.setattr(session, "base_path", lambda: tmp_path)
    monkeypatch.setattr(session, "keeper_of", lambda path: "dead" not in path.name or None)
    for name in ("console-1", "console-dead", "console-mute", "console-odd", "node"):
        folder = tmp_path / name
        folder.mkdir()
        told = console_slice(config, Wish(device=f"of-{name}"), str(folder))
        (folder / "natived.json").write_bytes(msgspec.json.encode(told))
        if name != "console-mute":
            (folder / session.SOCKET).touch()
    (tmp_path / "console-odd" / "natived.json").write_bytes(b"{}")
    (found,) = session.consoles()
    assert found == Console("of-console-1", "robot", tmp_path / "console-1" / session.SOCKET)


def test_a_console_can_be_told_its_bed_and_to_wait(monkeypatch):
    wishes = []
    monkeypatch.setattr(node_console, "running_node", lambda *_: None)
    monkeypatch.setattr(node_console, "console", lambda _, wish, __: wishes.append(wish) or 0)
    assert cli.main(["console", "--script", "hold", "--bed", "or-3", "--wait"]) == 0
    assert (wishes[0].bed, wishes[0].yields) == ("or-3", True)
    told = console_slice(load(ROOT / "node.toml"), wishes[0], "/run")
    assert told.operator.bed == "or-3"


# The command -------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[node]\nname = 'session-test'\nstate_dir = 'state'\n")
    return path


@pytest.fixture
def store(config):
    store = SqliteStore(authority_path(load(config)))
    store.read()
    yield store
    store.close()


def test_the_standing_is_shown_in_words_and_to_programs(config, store, capsys):
    row = held(Phase.HANDOVER, to="surgeon2", bed="or-3", waiting=("surgeon2",), observers=("a",))
    store.write(row, NOW, HOUR_S)
    store.write(Row("second", Phase.FREE, 7), NOW, HOUR_S)
    store.write(held(Phase.PASSING, to="surgeon2", robot="third"), NOW, HOUR_S)
    assert cli.main(["session", "--config", str(config)]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == (
        "robot at bed or-3: held by surgeon1 since 2023-11-14 22:13:20, until 2023-11-14 23:13:20; "
        "it is being handed over to surgeon2; waiting: surgeon2; observers: a"
    )
    assert second == "second: free"
    assert third.endswith("; it is being granted to surgeon2")
    assert cli.main(["session", "--json", "--config", str(config)]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    assert (found["holder"], found["state"], found["epoch"]) == ("surgeon1", "handover", 7)


def test_without_a_store_or_a_console_a_person_is_told_what_to_do(config, store, capsys):
    # Consoles are found by their robot: whatever else runs here, this one has none.
    config.write_text(f"{config.read_text()}[robot]\nname = 'of-this-test-alone'\n")
    assert cli.main(["session", "confirm", "--config", str(config)]) == 2
    assert "`trocar console` starts one" in capsys.readouterr().err
    store.close()
    authority_path(load(config)).unlink()
    assert cli.main(["session", "--config", str(config)]) == 2
    assert "a node makes it when it starts" in capsys.readouterr().err


class Person:
    """A console's local socket that answers one word."""

    def __init__(self, path, answer):
        self.heard = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        link, _ = self._listener.accept()
        with link:
            self.heard.append(WORDS.decode(link.recv(1024)))
            link.send(self._answer)

    def close(self):
        self._thread.join(5)
        self._listener.close()


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        (["offer", "surgeon2"], Offer(56, NO_SESSION, "surgeon2")),
        (["confirm"], Confirm(57, "robot")),
        (["withdraw"], Withdraw(58, "robot")),
        (["release"], Release(54, NO_SESSION)),
    ],
)
def test_a_word_is_said_at_the_consoles_socket_and_its_answer_shown(
    config, store, tmp_path, monkeypatch, capsys, words, heard
):
    path = tmp_path / "natived.sock"
    person = Person(path, encode(Refused(4, "it is so")))
    monkeypatch.setattr(session, "consoles", lambda: [Console("surgeon1", "robot", path)])
    assert cli.main(["session", *words, "--config", str(config)]) == 0
    person.close()
    assert person.heard == [heard]
    assert capsys.readouterr().out == "surgeon1: it is so\n"


def test_a_console_that_talks_nonsense_or_not_at_all_is_named(config, store, tmp_path, monkeypatch):
    path = tmp_path / "natived.sock"
    monkeypatch.setattr(session, "consoles", lambda: [Console("surgeon1", "robot", path)])
    with pytest.raises(SessionError, match="'surgeon1' does not answer"):
        session.say(load(config), "confirm")
    person = Person(path, b"nonsense")
    with pytest.raises(SessionError, match="'surgeon1' does not answer"):
        session.say(load(config), "confirm")
    person.close()


# Keys --------------------------------------------------------------------------------------------


@pytest.fixture
def node(config):
    found = load(config)
    for name, role in (("node", "node"), ("relay", "relay"), ("robot", "robot"), ("c1", "console")):
        keys.new(found.keys_dir, name, keys.Role(role))
    return found


def test_every_key_whose_secret_is_here_is_rotated(node: NodeConfig):
    assert rotation.names(node, None) == ["node", "relay", "robot", "c1"]
    assert rotation.names(node, "relay") == ["relay"]
    (node.keys_dir / "c1.secret").unlink()
    assert rotation.names(node, None) == ["node", "relay", "robot"], "whose secret is elsewhere"


def test_rotation_is_told_recorded_and_over_when_the_grace_is(node, config, capsys):
    before = {d.name: d.public_z85 for d in keys.list_devices(node.keys_dir)}
    assert cli.main(["keys", "rotate", "--grace", "0", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "c1 (console) has a new key" in out
    assert "revoked 4 old" in out
    live = {d.name: d.public_z85 for d in keys.list_devices(node.keys_dir) if not d.revoked}
    assert set(live) == set(before)
    assert not set(live.values()) & set(before.values())
    assert cli.main(["keys", "rotate", "nobody", "--config", str(config)]) == 2
    assert "no live device 'nobody'" in capsys.readouterr().err
