"""A sealed message cannot be changed, shortened, lengthened or sealed under another key."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from safety.messages import NO_TAG, Command
from safety.seal import is_sealed, seal
from tests.transport.frames import valid
from transport.wire.codec import Registry

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
commands = valid(Command)


@given(commands)
def test_a_sealed_command_decodes_to_itself_with_a_tag(command):
    data = seal(command, KEY)
    decoded = Registry((Command,)).expect(data, Command)
    assert decoded.tag == hmac.new(KEY, data[:-16], hashlib.sha256).digest()[:16]
    for field in Command.__struct_fields__[:-1]:
        assert getattr(decoded, field) == getattr(command, field)


@given(commands)
def test_the_tag_before_sealing_does_not_matter(command):
    fields = {name: getattr(command, name) for name in Command.__struct_fields__}
    assert seal(Command(**{**fields, "tag": NO_TAG}), KEY) == seal(command, KEY)


@given(commands, st.data())
def test_one_changed_bit_breaks_the_seal(command, data):
    frame = bytearray(seal(command, KEY))
    assert is_sealed(bytes(frame), KEY)
    assert not is_sealed(bytes(frame), OTHER)
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    frame[bit // 8] ^= 1 << bit % 8
    assert not is_sealed(bytes(frame), KEY)


@given(commands, st.integers(0, 255))
def test_every_bit_of_the_tag_counts(command, mask):
    frame = seal(command, KEY)
    for byte in range(1, 17):
        changed = bytearray(frame)
        changed[-byte] ^= mask or 1
        assert not is_sealed(bytes(changed), KEY)


@given(commands, st.binary(min_size=1, max_size=20))
def test_a_sealed_frame_is_neither_cut_nor_continued(command, more):
    frame = seal(command, KEY)
    assert not is_sealed(frame + more, KEY)
    assert not is_sealed(frame[: -len(more)], KEY)


@given(st.binary(max_size=40))
def test_no_bytes_are_sealed_by_chance(data):
    assert not is_sealed(data, KEY)
