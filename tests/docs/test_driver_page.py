"""What docs/driver.md promises a robot's maker: sizes, numbers, files, and no code of ours."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from safety.clamp import Rule
from safety.driver import VALID_FOR_US, Measure, Servo, Stop
from safety.messages import Driver
from teleop.robot.drive import ENABLE_NS_MAX, MEASURE_NS_MAX, SERVO_NS_MAX
from teleop.sim.arm import WATCHDOG_NS
from transport.wire.codec import encode
from transport.wire.vector import SETPOINT_BYTES, TWIST_BYTES, UNIT_TOLERANCE

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "driver.md").read_text()
EXAMPLES = DOCS / "examples"
MS = 1_000_000


def lines(name: str) -> int:
    return len((EXAMPLES / name).read_text().splitlines())


def test_the_examples_are_short():
    assert lines("driver.py") <= 30
    for carrier in ("driver_unix.c", "driver_zmq.c"):
        assert lines(carrier) + lines("driver.h") < 200


def test_the_examples_need_nothing_of_ours():
    python = (EXAMPLES / "driver.py").read_text()
    imported = set(re.findall(r"^import (\w+)", python, re.MULTILINE))
    assert imported - sys.stdlib_module_names == {"msgpack"}
    for source in EXAMPLES.glob("driver*.[ch]"):
        own = set(re.findall(r'#include "(.*)"', source.read_text()))
        assert own <= {"driver.h"}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", PAGE):
        assert (DOCS / target).exists(), target


def test_the_messages_are_drawn_as_they_are():
    for message in (Measure, Servo, Stop):
        fields = ", ".join(message.__struct_fields__[1:])
        assert f"[1, {message.KIND}, {fields}]" in PAGE


def test_the_numbers_are_the_code_s():
    assert f"a silence of {MEASURE_NS_MAX // MS} ms is a HOLD" in PAGE
    assert f"at the latest every {SERVO_NS_MAX // MS} ms" in PAGE
    assert f"| a servo may be used | {VALID_FOR_US // 1000} ms after" in PAGE
    assert f"| your watchdog | {WATCHDOG_NS // MS} ms after" in PAGE
    assert f"| from clear to `enabled` | {ENABLE_NS_MAX // MS} ms |" in PAGE
    assert f"within {UNIT_TOLERANCE:.4f}," in PAGE
    said = f"{Driver.SIMULATED:d} simulated, {Driver.ENABLED:d} enabled"
    assert said in PAGE
    assert f"{Driver.BRAKED:d} braked" in PAGE
    assert f"in a bin of {SETPOINT_BYTES} bytes" in PAGE
    assert f"in a bin of {TWIST_BYTES}" in PAGE


def test_the_rules_are_those_that_only_a_driver_can_know():
    said = re.findall(r"^\| (\d+) `(\w+)` \|", PAGE, re.MULTILINE)
    assert [Rule(int(number)).name for number, _ in said] == [name for _, name in said]
    assert [name for _, name in said] == ["NONE", "TORQUE", "SINGULAR", "JOINT", "UNREACHABLE"]


def test_the_examples_have_the_same_numbers():
    header = (EXAMPLES / "driver.h").read_text()
    assert f"WATCHDOG_MS = {WATCHDOG_NS // MS}, VALID_US_MAX = {VALID_FOR_US};" in header
    assert f"MEASURE = {Measure.KIND}, SERVO = {Servo.KIND}, STOP = {Stop.KIND}" in header
    assert f"now - accepted > {WATCHDOG_NS:_}:" in (EXAMPLES / "driver.py").read_text()


def test_the_c_examples_know_how_long_the_messages_are():
    header = (EXAMPLES / "driver.h").read_text()
    pose, twist = SETPOINT_BYTES // 8, TWIST_BYTES // 8
    arm = Measure(32, (1 << 63) - 1, (1 << 63) - 1, 6, 0, b"", bytes(64), bytes(48), 0)
    assert f"POSE = {pose}, TWIST = {twist}, " in header
    assert f"MEASURE_BYTES = {len(encode(arm))}, " in header
    fields = {message: len(message.__struct_fields__) + 1 for message in (Measure, Servo, Stop)}
    assert f"{{0x{0x90 + fields[Measure]:x}, VERSION, MEASURE, " in header
    assert f"array == 0x{0x90 + fields[Servo]:x} " in header
    assert f"array == 0x{0x90 + fields[Stop]:x} " in header
