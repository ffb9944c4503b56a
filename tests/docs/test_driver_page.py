"""What docs/driver.md promises a robot's maker: sizes, numbers, files, and no code of ours."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from safety.driver import VALID_FOR_US, Measure, Servo, Stop
from safety.messages import Driver
from teleop.robot.drive import ENABLE_NS_MAX, MEASURE_NS_MAX, SERVO_NS_MAX
from teleop.sim.arm import WATCHDOG_NS
from transport.wire.vector import UNIT_TOLERANCE

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


def test_the_examples_have_the_same_numbers():
    header = (EXAMPLES / "driver.h").read_text()
    assert f"WATCHDOG_MS = {WATCHDOG_NS // MS}, VALID_US_MAX = {VALID_FOR_US};" in header
    assert f"MEASURE = {Measure.KIND}, SERVO = {Servo.KIND}, STOP = {Stop.KIND}" in header
    assert f"now - accepted > {WATCHDOG_NS:_}:" in (EXAMPLES / "driver.py").read_text()
