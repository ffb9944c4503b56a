"""Whatever comes over the sockets: it is refused under a name, and moves nothing.

Two rooms. In one nobody holds the robot, and the arm must not stir. In the other a surgeon's hand
draws, and the arm must follow that hand alone. Latency is the bench's matter (`bench.hostile`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bench import attacks, forge, readings
from bench.forge import HUGE, INF, NAN
from safety.bedside import Report
from safety.driver import Measure
from safety.grant import VOCABULARY as GRANTS
from safety.grant import (
    Boot,
    Denied,
    Granted,
    Release,
    Request,
    Revoke,
    Role,
    SessionKeys,
    derive,
    public_point,
)
from safety.messages import NO_SESSION, Bedside, RobotState
from safety.profile import Profile
from safety.state import State
from teleop.sim.arm import HOME
from tests.e2e.conftest import PATIENCE_S, REACH_M, ROBOT, STILL_M, SURGEON, Room
from transport.io import keys
from transport.wire.codec import Registry, encode
from transport.wire.messages import Attach, Attached, Clock
from transport.wire.messages import Refused as No
from transport.wire.vector import ORIGIN, Setpoint, pack_setpoint

_GRANTS = Registry(GRANTS)
HEAD = RobotState(17, ROBOT, bytes(8), 1, b"12345678", 1, 1, 3, 0, False, 0, (), None)
BROKEN = forge.broken(forge.command(HEAD, seq=1))
NOBODY = Boot(48, ROBOT, 1, bytes(8), attacks.POINT, 0, True, bytes(32), bytes(8), "", "")
COUNTED_S = 3.0
#: On a starved machine a flood may be a trickle, which nobody need refuse: then it comes again.
FLOODS_MAX = 5
"""The relay writes its verdicts on its board once a second."""
ABOVE = HOME._replace(z=HOME.z + 0.05)


@contextlib.contextmanager
def refused(room: Room, *names: str, **times: int) -> Iterator[None]:
    """Hold that the body makes each of these counters rise, by so much at least."""
    wanted = dict.fromkeys(names, 1) | times
    before = {name: room.counted(name) for name in wanted}
    yield

    def missing() -> dict[str, int]:
        risen = {name: room.counted(name) - before[name] for name in wanted}
        return {name: found - wanted[name] for name, found in risen.items() if found < wanted[name]}

    end = time.monotonic() + COUNTED_S
    while missing() and time.monotonic() < end:
        room.alive()
        time.sleep(0.01)
    assert not missing(), "not counted"


def at_relay(found: forge.Broken) -> str:
    """Name the counter of a broken command that comes from a console."""
    if not found.at_relay:
        return at_gate(found)
    return found.at_relay if ":" in found.at_relay else f"relay:{found.at_relay}"


def at_gate(found: forge.Broken) -> str:
    """Name the counter of a broken command that reaches a robot without a session."""
    return f"gate:{found.at_gate}".replace("gate:tag", "gate:unknown_session")


def still(room: Room) -> None:
    """Hold that the arm has not stirred since the last look, and that no command reached it."""
    room.alive()
    strayed = room.strayed()
    assert strayed.off_plane_m < STILL_M
    assert strayed.off_middle_m < STILL_M
    assert not room.moved_by()


def follows_only_the_hand(room: Room) -> None:
    """Hold that nothing but the hand's commands has moved the arm, and that they do so now."""
    room.alive()
    strayed = room.strayed()
    assert strayed.off_plane_m < STILL_M
    assert strayed.off_middle_m < REACH_M
    moved_by = room.moved_by()
    assert moved_by <= room.given()
    # A machine that stalls may hold the arm; the hand then goes on where it was.
    room.until(lambda: room.follows() and max(room.moved_by()) > max(moved_by), "motion")


class Rogue:
    """A console with a good key that asks for the robot, gets it, and then says what it likes."""

    def __init__(self, room: Room, name: str = "evil-console") -> None:
        self.room = room
        self.desk = room.device(name, "session")
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.seq = 0

    def ask(self, role: Role = Role.SURGEON, *, replace: bool = False) -> Granted | Denied:
        """Ask for the robot."""
        point = public_point(self.key)
        message = Request(
            49, secrets.token_bytes(8), ROBOT, role, point, Profile.NATIVE, 10_000, 1.0, replace, ""
        )
        self.desk.say(encode(message))
        for data in self.desk.heard(5.0):
            answer = _GRANTS.decode(data)
            if isinstance(answer, Granted | Denied):
                return answer
        raise TimeoutError("the session service does not answer")

    def hold(self) -> None:
        """Ask for the robot, and get it."""
        answer = self.ask()
        for _ in range(40):  # the robot has just started, or has just had many grants
            if isinstance(answer, Granted):
                break
            time.sleep(0.05)
            answer = self.ask()
        assert isinstance(answer, Granted), answer
        grant = _GRANTS.decode(answer.grant[:])
        self.grant = grant
        self.keys: SessionKeys = derive(answer.grant, self.key, grant.robot_key)
        self.room.until(lambda: self.room.state().session == grant.session, "the session")

    def command(self, seq: int | None = None, **fields: object) -> bytes:
        """Write a command with a valid tag."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        head = self.room.state()
        fields = {"setpoint": pack_setpoint(ORIGIN), "flags": 0, **fields}
        return forge.command(head, seq=seq, key=self.keys.to_robot, **fields)

    def give_back(self) -> None:
        """Release the robot and hang up."""
        self.desk.say(encode(Release(54, self.grant.session)))
        self.room.until(lambda: self.room.state().session == NO_SESSION, "the end")
        self.desk.close()


@pytest.fixture
def rogue(request: pytest.FixtureRequest, empty_room: Room) -> Iterator[Rogue]:
    """Give a rogue that holds the robot."""
    found = Rogue(empty_room)
    try:
        found.hold()
        yield found
        found.give_back()
    finally:
        found.desk.close()


class TestNobodyHoldsTheRobot:
    """The arm stands still, under whatever name the attempt is counted."""

    def test_a_console_sends_what_is_no_command(self, empty_room: Room) -> None:
        room = empty_room
        with room.device("evil-script") as rogue:
            rogue.attach(ROBOT)
            with refused(room, **Counter(at_relay(found) for found in BROKEN)):
                for number, found in enumerate(BROKEN):
                    fresh = forge.command(rogue.state(), seq=1 + number)
                    rogue.say(forge.broken(fresh)[number].data)
                    if found.at_relay == "":
                        time.sleep(0.01)  # newest wins at the relay: let this one pass first
        still(room)

    def test_a_relay_sends_the_robot_what_is_no_command(self, empty_room: Room) -> None:
        room = empty_room
        with refused(room, **Counter(at_gate(found) for found in BROKEN)):
            for found in BROKEN:
                room.relay.say(found.data)
        still(room)

    def test_a_console_that_lies_about_time(self, empty_room: Room) -> None:
        room = empty_room
        with room.device("evil-script") as rogue:
            rogue.attach(ROBOT)
            old = rogue.state()
            time.sleep(0.2)
            head = rogue.state()
            lies = (
                ("duplicate", 100, head.tick),
                ("old", 1, head.tick),
                ("far_future", 100 + 60_001, head.tick),
                ("far_future", (1 << 63) - 1, head.tick),
                ("never_sent", 101, (1 << 63) - 1),
                ("never_sent", 102, 0),
                ("late", 103, old.tick),
            )
            with refused(room, **Counter(f"relay:{name}" for name, _, _ in lies)):
                rogue.say(forge.command(head, seq=100))
                for _, seq, echo in lies:
                    rogue.say(forge.command(head, seq=seq, tick_echo=echo))
        still(room)

    def test_a_granted_hand_lies_about_time(self, rogue: Rogue) -> None:
        room = rogue.room
        old = room.state().tick
        room.relay.say(rogue.command(100))
        time.sleep(0.2)
        now = room.state().tick
        lies = (
            ("duplicate", 100, now),
            ("old", 1, now),
            ("far_future", 100 + 60_001, now),
            ("far_future", (1 << 63) - 1, now),
            ("never_sent", 101, (1 << 63) - 1),
            ("never_sent", 102, 0),
            ("late", 103, old),
        )
        with refused(room, **Counter(f"gate:{name}" for name, _, _ in lies)):
            for _, seq, echo in lies:
                room.relay.say(rogue.command(seq, tick_echo=echo))
        still(room)

    @pytest.mark.parametrize(
        ("name", "setpoint"),
        [
            *(("not_finite", ORIGIN._replace(**{f: v})) for f in ("x", "jaw") for v in (NAN, INF)),
            ("not_finite", ORIGIN._replace(qw=NAN)),
            ("not_finite", ORIGIN._replace(x=-HUGE, y=HUGE)),
            ("not_unit", ORIGIN._replace(qw=1.001)),
            ("not_unit", ORIGIN._replace(qw=0.0)),
            ("not_unit", ORIGIN._replace(qw=1e150)),
        ],
    )
    def test_a_granted_hand_points_nowhere_and_is_stopped_for_it(
        self, rogue: Rogue, name: str, setpoint: Setpoint
    ) -> None:
        room = rogue.room
        with refused(room, **{f"gate:{name}": 3}):
            for _ in range(3):
                room.relay.say(rogue.command(setpoint=pack_setpoint(setpoint)))
        room.until(lambda: room.state().state == State.PROTECTIVE_STOP, "the stop")
        assert bedside(str(room.run_dir / f"bedside-{ROBOT}.sock"), "reset").state == State.IDLE
        still(room)

    def test_a_granted_hand_presses_without_having_been_up(self, rogue: Rogue) -> None:
        up = Setpoint(0.0, 0.0, 0.05, 1.0, 0.0, 0.0, 0.0, 0.0)
        with refused(rogue.room, "gate:admitted"):
            for _ in range(100):
                rogue.room.relay.say(rogue.command(flags=1, setpoint=pack_setpoint(up)))
                time.sleep(0.002)
        assert rogue.room.state().state <= State.ARMED
        still(rogue.room)

    @pytest.mark.parametrize("carrier", ["relay", "robot"])
    def test_the_commands_of_a_session_that_is_over(self, empty_room: Room, carrier: str) -> None:
        rogue = Rogue(empty_room)
        rogue.hold()
        old = [rogue.command() for _ in range(20)]
        rogue.give_back()
        room = empty_room
        with refused(room, "gate:unknown_session"), room.device("evil-script") as again:
            again.attach(ROBOT)
            for frame in old:
                again.say(frame) if carrier == "relay" else room.relay.say(frame)
        still(room)

    def test_a_robot_tells_of_itself_what_is_no_state(self, empty_room: Room) -> None:
        room = empty_room
        mine = RobotState(17, "evil-robot", bytes(8), 1, bytes(8), 0, 0, 3, 0, False, 0, (), None)
        data = encode(mine)
        deep = b"\xdc\x00\x0d" + data[1:-2] + forge.nested(1900) + b"\xc0"
        with room.device("evil-robot", "robot") as rogue:
            assert rogue.attach("evil-robot") is not None
            broken = (
                ("relay:malformed", data[:30]),
                ("relay:malformed", deep),
                ("relay:version", b"\x9d\x02" + data[2:]),
                ("relay:kind", data[:1] + b"\x01\x10" + data[3:]),
                ("relay:malformed", data.replace(b"evil-robot", b"evil-r\xffbot"[:10])),
                ("relay:field", data.replace(b"\xaaevil-robot", b"\xa0")),
                ("relay:robot", data.replace(b"\xaaevil-robot", b"\xa3psm")),
                ("hub:oversized", data + bytes(3072)),
            )
            with refused(room, **Counter(name for name, _ in broken)):
                for _, frame in broken:
                    rogue.say(frame)
        still(room)

    def test_a_part_beyond_what_is_read_at_all_ends_its_own_connection_only(
        self, empty_room: Room
    ) -> None:
        room = empty_room
        deep = forge.nested(10_000)
        with room.device("evil-script") as rogue, room.device("evil-console") as other:
            assert rogue.attach(ROBOT) is not None
            assert other.attach(ROBOT) is not None
            before = room.counted("doors:disconnected")
            rogue.say(deep)
            room.until(lambda: room.counted("doors:disconnected") > before, "the end of it")
            assert other.state().tick > 0
        room.relay.say(deep)
        room.until(lambda: room.state().tick, "a state")
        still(room)

    def test_a_robot_speaks_for_another(self, empty_room: Room) -> None:
        room = empty_room
        with room.device("evil-robot", "robot") as rogue, refused(room, "hub:rejected"):
            rogue.say(encode(Attach(1, ROBOT, 1, 1, False)))
            answer = rogue.hear()
            assert answer is not None
            assert isinstance(Registry((No,)).decode(answer), No)
        still(room)

    @pytest.mark.parametrize(
        ("name", "door", "counter"),
        [
            ("evil-console", "robot", "hub:wrong_role"),
            ("evil-robot", "console", "hub:wrong_role"),
            ("evil-guard", "console", "hub:wrong_role"),
            ("evil-console", "guard", "guard:wrong_role"),
            ("evil-script", "guard", "guard:wrong_role"),
            ("evil-robot", "guard", "guard:wrong_role"),
            ("evil-robot", "session", "asked:wrong_role"),
            ("evil-guard", "session", "asked:wrong_role"),
            (None, "console", "hub:unknown_key"),
            (None, "robot", "hub:unknown_key"),
            (None, "guard", "guard:unknown_key"),
            (None, "session", "asked:unknown_key"),
        ],
    )
    def test_a_key_for_another_door(
        self, empty_room: Room, name: str | None, door: str, counter: str
    ) -> None:
        with refused(empty_room, counter), empty_room.device(name, door) as rogue:
            rogue.try_to_say(encode(Attach(1, ROBOT, 1, 1, False)))
            assert rogue.hear(0.3) is None
        still(empty_room)

    def test_a_console_that_does_not_know_its_place(self, empty_room: Room) -> None:
        room = empty_room
        with room.device("evil-script") as rogue:
            with refused(room, "hub:unattached"):
                rogue.say(forge.command(HEAD, seq=1))
            rogue.attach(ROBOT)
            for name, parts in (
                ("hub:kind", (encode(Attached(2, 1, 1, None, 0, 0)),)),
                ("hub:field", (encode(Clock(3, 1, 2, 3)).replace(b"\x01\x02\x03", b"\xc0" * 3),)),
                ("hub:parts", (b"a", b"b")),
                ("hub:parts", (b"a",) * 50),
                ("hub:oversized", (bytes(1025),)),
            ):
                with refused(room, name):
                    rogue.say(*parts)
        still(room)

    @pytest.mark.parametrize(
        ("name", "counter"), [("evil-guard", "robot:forbidden"), ("evil-relay", "robot:forbidden")]
    )
    def test_a_guard_without_the_right(self, empty_room: Room, name: str, counter: str) -> None:
        room, where = empty_room, empty_room.place
        with room.device(name, "guard") as rogue:
            for message in (
                attacks.forged_grant(NOBODY),
                attacks.ceiling(where),
                attacks.ceiling(where, source=name),
                Revoke(55, room.state().session, "invented"),
                attacks.request(where),
            ):
                with refused(room, counter):
                    rogue.say(encode(message))
        still(room)

    def test_a_session_service_that_cannot_sign(self, empty_room: Room) -> None:
        room, where = empty_room, empty_room.place
        with room.device("evil-session", "guard") as rogue:
            for name, message in (
                ("robot:grant", attacks.forged_grant(attacks.introduced(rogue))),
                ("robot:forbidden", attacks.ceiling(where)),
                ("robot:forbidden", attacks.ceiling(where, source="evil-session")),
                ("robot:session", Revoke(55, b"nobody's", "invented")),
                ("robot:forbidden", attacks.request(where)),
            ):
                with refused(room, name):
                    rogue.say(encode(message))
            for name, data in (
                ("robot:wire", b"\xc1" * 50),
                ("robot:wire", forge.nested(4000)),
                ("robot:oversized", bytes(5000)),
            ):
                with refused(room, name):
                    rogue.say(data)
            with refused(room, "robot:parts"):
                rogue.say(b"a", b"b")
            with refused(room, "robot:parts"):
                rogue.say(*[b"a"] * 50)
        still(room)

    def test_a_console_asks_for_what_it_must_not_have(self, empty_room: Room) -> None:
        room = empty_room
        rogue = Rogue(room, "evil-script")
        with refused(room, "session:denied"):
            answer = rogue.ask(Role.SURGEON)
        assert isinstance(answer, Denied)
        assert "needs a console" in answer.reason
        for name, parts in (
            ("session:wire", (b"\xc1" * 50,)),
            ("session:wire", (forge.nested(4000),)),
            ("session:oversized", (bytes(5000),)),
            ("session:unexpected", (encode(Revoke(55, bytes(8), "")),)),
            ("session:denied", (encode(Release(54, b"not mine")),)),
            ("session:parts", (b"a", b"b")),
        ):
            with refused(room, name):
                rogue.desk.say(*parts)
        rogue.desk.close()
        still(room)

    def test_forged_grants_do_not_refuse_a_true_one(self, empty_room: Room) -> None:
        room, rogue = empty_room, Rogue(empty_room)
        with room.device("evil-session", "guard") as liar:
            forged = encode(attacks.forged_grant(attacks.introduced(liar)))
            for _ in range(5):
                for _ in range(3):
                    liar.say(forged)
                rogue.hold()
                for _ in range(3):
                    liar.say(forged)
                assert room.state().session == rogue.grant.session
                rogue.desk.say(encode(Release(54, rogue.grant.session)))
                room.until(lambda: room.state().session == NO_SESSION, "the end")
                time.sleep(0.4)
        rogue.desk.close()
        still(room)

    def test_junk_on_the_bedside_socket(self, empty_room: Room) -> None:
        room = empty_room
        path = str(room.run_dir / f"bedside-{ROBOT}.sock")
        with seqpacket(path) as rogue:
            for junk in (b"\xc1", forge.nested(3000), os.urandom(200), encode(Clock(3, 1, 1, 1))):
                with refused(room, "robot:wire"):
                    rogue.send(junk)
            with refused(room, "robot:oversized"):
                rogue.send(bytes(5000))
            # Whoever comes to stop the robot does not wait for whoever babbles.
            assert bedside(path, "reset").why == "nothing to reset in IDLE"
            assert is_hung_up(rogue)
        still(room)

    def test_a_robot_that_restarts_knows_no_session_of_before(self, own_room: Room) -> None:
        room = own_room
        rogue = Rogue(room)
        rogue.hold()
        old = [rogue.command(tick_echo=tick) for tick in range(20, 1500, 5)]
        boot = room.state().boot
        room.end("robotd")
        room.start("robotd")
        room.until(lambda: room.state().boot != boot and room.state().tick > 200, "a new boot")
        with room.device("evil-script") as again, refused(room, "gate:unknown_session"):
            again.attach(ROBOT)
            newest = room.state().tick
            for frame in old[: newest // 5]:
                again.say(frame)
        rogue.desk.close()
        still(room)

    def test_a_driver_that_talks_nonsense(self, own_room: Room) -> None:
        room = own_room
        room.end("simd")
        path = str(room.run_dir / f"driver-{ROBOT}.sock")
        with seqpacket(path) as rogue:
            for junk in (b"\xc1", forge.nested(3000), os.urandom(200), encode(Clock(3, 1, 1, 1))):
                with refused(room, "robot:wire"):
                    rogue.send(junk)
            for arm, pose in ((0, HOME._replace(x=NAN)), (0, HOME._replace(qw=2.0)), (9, HOME)):
                with refused(room, "robot:measure"):
                    rogue.send(
                        encode(Measure(32, 1, 1, 6, arm, b"", pack_setpoint(pose), bytes(48), 0))
                    )
            with refused(room, "robot:oversized"):
                rogue.send(bytes(5000))
        room.start("simd")
        room.until(lambda: room.state().driver & 1, "the driver")
        still(room)

    def test_a_granted_hand_from_beyond_all_numbers(self, own_room: Room) -> None:
        """Two poses, finite each, whose difference is not: the driver must never hear of it."""
        room = own_room
        rogue = Rogue(room)
        rogue.hold()
        room.states()
        with refused(room, "gate:not_finite"):
            for held, x in ((0, -HUGE), (1, -HUGE), (1, HUGE)):
                for _ in range(80):
                    pose = pack_setpoint(ORIGIN._replace(x=x))
                    room.relay.say(rogue.command(flags=held, setpoint=pose))
                    time.sleep(0.002)
        still(room)
        rogue.desk.close()


class TestAHandFollows:
    """The arm follows the surgeon's hand, and nobody else's."""

    def test_every_broken_command_from_both_sides(self, theatre: Room) -> None:
        room = theatre
        with (
            room.device("evil-script") as rogue,
            refused(
                room,
                *("relay:malformed", "relay:version", "relay:kind", "relay:field", "relay:robot"),
                *("gate:malformed", "gate:version", "gate:kind", "gate:field", "gate:robot"),
                *("gate:tag", "gate:arm", "gate:unknown_session", "gate:oversized"),
                *("relay:oversized", "hub:oversized"),
            ),
        ):
            rogue.attach(ROBOT)
            for found in forge.broken(forge.command(rogue.state(), seq=1 << 20)):
                rogue.say(found.data)
                room.relay.say(found.data)
        follows_only_the_hand(room)

    def test_forged_commands_ahead_of_the_hand(self, theatre: Room) -> None:
        room = theatre
        ways = ("forged:relay", "forged:evil-relay")
        with room.device("evil-script") as rogue, refused(room, "gate:tag", *ways):
            rogue.attach(ROBOT)
            for _ in range(100):
                head = rogue.state()
                for ahead in (1, 100, 50_000, 1 << 40):
                    frame = forge.command(head, seq=head.arms[0].seq + ahead)
                    rogue.say(frame)
                    room.relay.say(frame)
                time.sleep(0.004)
        follows_only_the_hand(room)

    def test_another_console_claims_the_session(self, theatre: Room) -> None:
        room = theatre
        for name, role in (("evil-script", Role.SCRIPT), ("evil-console", Role.SURGEON)):
            rogue = Rogue(room, name)
            with refused(room, "session:denied"):
                answer = rogue.ask(role, replace=True)
            assert isinstance(answer, Denied)
            assert SURGEON in answer.reason
            with refused(room, "session:denied"):
                rogue.desk.say(encode(Release(54, room.state().session)))
            rogue.desk.close()
        follows_only_the_hand(room)

    def test_a_second_driver(self, theatre: Room) -> None:
        path = str(theatre.run_dir / f"driver-{ROBOT}.sock")
        with refused(theatre, "robot:second"), seqpacket(path) as second:
            with contextlib.suppress(OSError):
                second.send(
                    encode(Measure(32, 1, 99, 6, 0, b"", pack_setpoint(ABOVE), bytes(48), 0))
                )
            assert is_hung_up(second)
        follows_only_the_hand(theatre)

    def test_a_key_that_is_revoked_while_it_is_used(self, theatre: Room) -> None:
        room = theatre
        keys.new(room.keys, "traitor", keys.Role.SCRIPT)
        time.sleep(0.1)
        with room.device("traitor") as rogue, room.device("traitor", "session") as desk:
            assert rogue.attach(ROBOT) is not None
            desk.say(encode(Clock(3, 1, 0, 0)))
            assert desk.hear() is not None
            keys.revoke(room.keys, "traitor")
            time.sleep(0.1)
            with refused(room, "hub:revoked", "session:revoked"):
                rogue.say(forge.command(HEAD, seq=1))
                desk.say(encode(attacks.request(room.place)))
        follows_only_the_hand(room)

    def test_one_device_cannot_take_every_place_at_the_relay(self, theatre: Room) -> None:
        room = theatre
        with contextlib.ExitStack() as held, refused(room, "hub:full"):
            for number in range(70):
                rogue = held.enter_context(room.device("evil-script"))
                rogue.say(encode(Attach(1, f"psm{number}", 1, 1, False)))
            with room.device("evil-console") as other:
                assert other.attach(ROBOT) is not None
        follows_only_the_hand(room)

    @pytest.mark.parametrize("name", attacks.BY_NAME)
    def test_a_flood(self, theatre: Room, name: str) -> None:
        room, attack = theatre, attacks.BY_NAME[name]
        if name == "udp-forged" and not forge.may_sniff():
            pytest.skip("this user may not look at packets of loopback")
        attacks.arm(room.keys)
        before = {counter: read(room, counter) for counter in attack.refused}
        struck = room.run_dir / "struck"
        where = ("--run-dir", str(room.run_dir), "--seconds", "1.2", "--struck", str(struck))

        def is_refused() -> bool:
            return all(read(room, counter) > before[counter] for counter in before)

        for _ in range(FLOODS_MAX):
            flood = subprocess.Popen([sys.executable, "-m", "bench.attacks", name, *where])
            try:
                assert flood.wait(PATIENCE_S) == 0
            finally:
                flood.kill()
            assert int(struck.read_text()) > 50
            give_up = time.monotonic() + COUNTED_S
            while not is_refused() and time.monotonic() < give_up:
                room.alive()
                time.sleep(0.01)
            if is_refused():
                break
        else:
            pytest.fail(f"no refusals of {[c for c in before if read(room, c) <= before[c]]}")
        follows_only_the_hand(room)


class TestTheHandItself:
    """What happens to the rightful hand when its own key or its own session is attacked."""

    def test_its_key_is_revoked(self, own_room: Room) -> None:
        room = own_room
        room.start("natived")
        room.until(room.follows, "motion")
        keys.revoke(room.keys, SURGEON)
        room.until(lambda: not room.follows(), "the end of motion", 2.0)
        room.until(lambda: room.state().session == NO_SESSION, "the end of the session", 4.0)
        room.until(lambda: room.counted("hub:revoked"), "refusal at the relay")

    @pytest.mark.skipif(not forge.may_sniff(), reason="may not look at packets of loopback")
    def test_its_datagrams_are_replayed(self, own_room: Room) -> None:
        room = own_room
        room.start("natived")
        room.until(room.follows, "motion")
        heard = forge.sniff(room.place.datagrams, 200)
        with (
            refused(room, "hub:replayed", "hub:forged"),
            socket.socket(type=socket.SOCK_DGRAM) as wire,
        ):
            for datagram in heard:
                wire.sendto(datagram, ("127.0.0.1", room.place.datagrams))
                bent = datagram[:4] + (1 << 40).to_bytes(8, "big") + datagram[12:]
                wire.sendto(bent, ("127.0.0.1", room.place.datagrams))
        follows_only_the_hand(room)


@contextlib.contextmanager
def seqpacket(path: str) -> Iterator[socket.socket]:
    """Connect to a local socket of the robot's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as made:
        made.settimeout(5.0)
        made.connect(path)
        yield made


def is_hung_up(made: socket.socket) -> bool:
    """Tell whether the other side has closed; if it had not read all, that is a reset."""
    try:
        return made.recv(10) == b""
    except ConnectionResetError:
        return True


def bedside(path: str, verb: str) -> Report:
    """Say a word at the bedside; return the answer."""
    with seqpacket(path) as made:
        made.send(encode(Bedside(20, verb)))
        return Registry((Report,)).expect(made.recv(1000), Report)


def read(room: Room, counter: attacks.Counter) -> int:
    found = readings.board(room.run_dir, counter.process)
    assert found is not None
    return found.counter(counter.name).value
