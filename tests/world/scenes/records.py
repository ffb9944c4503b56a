"""What is recorded: a disk that takes nothing more, and somebody who edits what was."""

from __future__ import annotations

import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety.audit import Chain, Entry, Verifier, head_entry, sign
from safety.grant import Role
from safety.state import State
from tests.world.story import Story

Found = tuple[float, ...]

_KEY = Ed25519PrivateKey.from_private_bytes(b"audit of the world's only robot!")
_RECORDS = 60


def the_audit_takes_nothing_more(seed: int) -> Found:
    """Row 27: whoever runs goes on, and nobody new is granted what could not be recorded."""
    story = Story(seed)
    world = story.world
    desk = world.desks[0]
    other = world.add_console("surgeon2", role=Role.SURGEON)
    desk.authority.trouble = "nothing can be recorded: the disk is full"
    other.asks_again = False
    other.ask()
    story.run(500)
    assert any("the disk is full" in reason for reason in other.refusals)
    held = sum(t.new <= State.HOLD for t in world.robot.transitions)
    granted = float(other.operator.is_granted)
    desk.authority.trouble = ""
    story.console.release()
    other.ask()
    world.until(lambda: other.operator.is_granted)
    return float(held), granted


def a_record_is_tampered_with(seed: int) -> Found:
    """Row 63: an edit, a deletion, another order or a cut, each at a place of chance."""
    rng = random.Random(seed)
    lines, head = _chain()
    missed = misplaced = 0
    for tamper in (_edit, _delete, _swap, _cut):
        changed = list(lines)
        at = tamper(changed, rng)
        found = _find(changed, head)
        missed += found is None
        misplaced += found is not None and found != at
    assert _find(lines, head) is None
    return float(missed), float(misplaced)


def _chain():
    chain = Chain()
    lines = [
        chain.append(Entry(n, "surgeon1", "grant" if n % 2 else "release", "robot"))
        for n in range(_RECORDS)
    ]
    lines.append(chain.append(head_entry(chain, "node", _KEY, _RECORDS)))
    return lines, sign(chain.n, chain.hash, "node", _KEY)


def _find(lines, head):
    """Say at which record a reading finds the first fault."""
    verifier = Verifier(lambda _: (_KEY.public_key(),))
    assert verifier.expect(head) is None
    for line in lines:
        if fault := verifier.read(line):
            return fault.n
    end = verifier.end()
    return end.n if end else None


def _edit(lines, rng):
    at = rng.randrange(len(lines))
    line = bytearray(lines[at])
    line[rng.randrange(len(line) - 1)] ^= 1
    lines[at] = bytes(line)
    return at + 1


def _delete(lines, rng):
    at = rng.randrange(len(lines) - 1)
    del lines[at]
    return at + 1


def _swap(lines, rng):
    first, second = sorted(rng.sample(range(len(lines)), 2))
    lines[first], lines[second] = lines[second], lines[first]
    return first + 1


def _cut(lines, rng):
    at = rng.randrange(len(lines))
    del lines[at:]
    return at
