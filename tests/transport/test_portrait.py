"""Two cores are alike when nothing in them differs; when something does, it is named."""

import math
from collections import deque
from enum import IntEnum

from transport.telemetry import portrait
from transport.telemetry.portrait import Field, unlike


class Level(IntEnum):
    LOW = 1


class Part:
    __module__ = "safety.part"
    __slots__ = ("count", "owner")

    def __init__(self, owner):
        self.count, self.owner = 3, owner


class Key:
    __module__ = "safety.key"

    def __init__(self):
        self.secret = b"nobody's business"


class Core:
    __module__ = "teleop.core"

    def __init__(self):
        self.level, self.ratio, self.name, self.nothing = Level.LOW, 0.5, "arm", None
        self.parts = (Part(self), Part(self))
        self.same = self.parts[0]
        self.named = {"first": Part(self), "again": self.parts[0]}
        self.mask = 1 << 900
        self.times = deque([1, 2])
        self.table = {"a": (1, 2.0)}
        self.history = list(range(1000))
        self.act = lambda: None
        self.foreign = object()
        self.key = Key()


def fields(core):
    return portrait.read(portrait.portrait(core, (Key,)))


def test_every_number_has_its_name():
    assert fields(Core()) == [
        Field("level", 1),
        Field("ratio", 0.5),
        Field("name", "arm"),
        Field("nothing", None),
        Field("parts0.count", 3),
        Field("parts1.count", 3),
        Field("named0.count", 3),
        Field("mask", hex(1 << 900)),
        Field("times", [1, 2]),
        Field("table", ["a", [1, 2.0]]),
        Field("history", "1000 items"),
    ]


def test_what_has_no_name_here_is_left_out():
    names = [field.name for field in portrait.read(portrait.portrait(Core(), (Key,), {"count"}))]
    assert names[:3] == ["level", "ratio", "name"]
    assert not any(name.endswith("count") for name in names)


def test_what_must_not_be_recorded_is_not():
    assert b"business" not in portrait.portrait(Core(), (Key,))
    assert b"business" in portrait.portrait(Core())


def test_the_first_difference_is_named():
    here, there = Core(), Core()
    assert unlike(portrait.portrait(here), portrait.portrait(there)) is None
    there.parts[1].count = 4
    there.times.append(3)
    assert unlike(portrait.portrait(here), portrait.portrait(there)) == ("parts1.count", 3, 4)


def test_no_number_is_like_itself():
    here, there = Core(), Core()
    here.ratio = there.ratio = math.nan
    assert unlike(portrait.portrait(here), portrait.portrait(there)) is None
    there.ratio = 0.5
    found = unlike(portrait.portrait(here), portrait.portrait(there))
    assert found is not None
    assert found.name == "ratio"


def test_a_part_that_only_one_has_is_a_difference():
    here, there = Core(), Core()
    there.more = 1
    assert unlike(portrait.portrait(here), portrait.portrait(there)) == ("more", None, 1)
