"""The registry of devices and their secrets."""

import os
import stat

import msgspec
import pytest
import zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from transport.io import keys
from transport.io.keys import KeyFault, Keyring, Role


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_device_can_prove_itself_and_all_files_are_private(folder):
    device = keys.new(folder, "robot-1", Role.ROBOT)
    keyring = Keyring.load(folder)
    assert keyring.device(device.public_z85) == keyring.named("robot-1") == device
    identity = keyring.identity("robot-1")
    assert zmq.curve_public(identity.secret_z85) == identity.public_z85
    assert identity.public_z85 == keyring.server("robot-1")
    assert mode(folder) == 0o700
    assert {mode(folder / name) for name in os.listdir(folder)} == {0o600}
    assert identity.secret_z85.decode() not in repr(identity)


def test_a_node_also_signs(folder):
    keys.new(folder, "node-a", Role.NODE)
    keys.new(folder, "relay", Role.RELAY)
    keyring = Keyring.load(folder)
    signer = keyring.signer("node-a")
    signature = signer.sign(b"grant")
    signer.public_key().verify(signature, b"grant")
    assert signer.public_key().public_bytes_raw().hex() == keyring.named("node-a").sign_public
    with pytest.raises(KeyFault, match="missing"):
        keyring.signer("relay")


def test_a_revoked_device_is_nobody_and_its_name_is_free_again(folder):
    old = keys.new(folder, "console", Role.CONSOLE)
    keyring = Keyring.load(folder)
    revoked = keys.revoke(folder, "console")
    assert revoked.revoked
    assert keyring.device(old.public_z85) is not None  # not read yet
    assert keyring.refresh()
    assert keyring.device(old.public_z85) is None
    assert not (folder / "console.secret").exists()
    new = keys.new(folder, "console", Role.CONSOLE)
    assert keyring.refresh()
    assert not keyring.refresh()
    assert keyring.live == {new.public_z85: new}
    assert [d.revoked for d in keys.list_devices(folder)] == [True, False]
    with pytest.raises(KeyFault, match="no live device"):
        keys.revoke(folder, "nobody")


@pytest.mark.parametrize("name", ["", "A", "../x", "a b", "-a", "x" * 33, "ä"])
def test_names_are_plain(folder, name):
    with pytest.raises(KeyFault, match="device name"):
        keys.new(folder, name, Role.ROBOT)
    assert not folder.exists()


def test_a_name_is_taken_once(folder):
    keys.new(folder, "robot", Role.ROBOT)
    with pytest.raises(KeyFault, match="exists"):
        keys.new(folder, "robot", Role.ROBOT)


@pytest.mark.parametrize("name", ["devices.json", "robot.secret"])
@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o620])
def test_what_others_can_read_is_refused_and_the_fault_says_what_to_do(folder, name, open_mode):
    keys.new(folder, "robot", Role.ROBOT)
    (folder / name).chmod(open_mode)
    with pytest.raises(KeyFault, match=f"chmod 600 .*{name}"):
        Keyring.load(folder).identity("robot")


def test_a_secret_that_does_not_belong_to_the_registry_is_refused(folder):
    keys.new(folder, "one", Role.ROBOT)
    keys.new(folder, "two", Role.ROBOT)
    (folder / "one.secret").write_bytes((folder / "two.secret").read_bytes())
    with pytest.raises(KeyFault, match="another key"):
        Keyring.load(folder).identity("one")
    (folder / "one.secret").write_bytes(b"not a key")
    with pytest.raises(KeyFault, match="damaged"):
        Keyring.load(folder).identity("one")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (b"", "Input data was truncated"),
        (b'{"\xff":[]}', "codec can't decode"),
        (b'{"devices":[{"name":"x"}]}', "missing required field"),
        (b'{"devices":[],"more":1}', "unknown field"),
        (
            b'{"devices":[{"name":"x","role":"king","public_z85":"k","created_utc":""}]}',
            "Invalid enum value 'king'",
        ),
        (
            b'{"devices":[{"name":"x","role":"robot","public_z85":"k","created_utc":""}]}',
            "not 40 z85",
        ),
    ],
)
def test_a_damaged_registry_is_refused_by_name_and_the_loaded_one_stays(folder, damage, said):
    keys.new(folder, "robot", Role.ROBOT)
    keyring = Keyring.load(folder)
    (folder / "devices.json").write_bytes(damage)
    with pytest.raises(KeyFault, match=f"devices.json.*{said}"):
        Keyring.load(folder)
    assert not keyring.refresh()
    assert keyring.named("robot") is not None


def test_a_key_that_stands_there_twice_is_refused(folder):
    keys.new(folder, "robot", Role.ROBOT)
    path = folder / "devices.json"
    registry = path.read_text()
    entry = registry[registry.index("[") + 1 : registry.rindex("]")]
    path.write_text('{"devices": [' + entry + "," + entry.replace('"robot",', '"other",', 1) + "]}")
    with pytest.raises(KeyFault, match="twice"):
        Keyring.load(folder)


def test_no_registry_is_a_fault_that_says_how_to_make_one(tmp_path):
    with pytest.raises(KeyFault, match="trocar keys new"):
        Keyring.load(tmp_path)


# Rotation ----------------------------------------------------------------------------------------


def prove(name, old, new):
    return old.sign(name.encode() + new.public_bytes_raw())


def test_a_rotated_key_is_let_in_beside_the_new_one_until_it_is_retired(folder):
    old = keys.new(folder, "console", Role.CONSOLE)
    keyring = Keyring.load(folder)
    fresh = keys.rotate(folder, "console", prove)
    assert keyring.refresh()
    assert keyring.named("console") == fresh
    assert keyring.identity("console").public_z85.decode() == fresh.public_z85 != old.public_z85
    assert keyring.device(old.public_z85).retired
    assert set(keyring.live) == {old.public_z85, fresh.public_z85}
    assert keys.retire(folder, "console") == 1
    assert keys.retire(folder, "console") == 0
    assert keyring.refresh()
    assert set(keyring.live) == {fresh.public_z85}
    assert [d.revoked for d in keys.list_devices(folder)] == [True, False]
    assert keyring.successions("console") == []


def test_a_nodes_old_key_signs_for_each_that_follows(folder):
    keys.new(folder, "node", Role.NODE)
    pinned = Keyring.load(folder).signer("node").public_key()
    for _ in range(3):
        keys.rotate(folder, "node", prove)
    keyring = Keyring.load(folder)
    followed = keyring.successions("node")
    assert len(followed) == 3
    for old, new, proof in followed:
        assert pinned.public_bytes_raw() == old
        pinned.verify(proof, b"node" + new)
        pinned = Ed25519PublicKey.from_public_bytes(new)
    assert pinned == keyring.signer("node").public_key()


def test_whoever_is_revoked_is_revoked_with_all_its_keys(folder):
    keys.new(folder, "console", Role.CONSOLE)
    keys.rotate(folder, "console", prove)
    keys.revoke(folder, "console")
    assert Keyring.load(folder).live == {}
    assert not (folder / "console.secret").exists()


def test_what_is_not_here_or_not_known_is_not_rotated(folder):
    keys.new(folder, "console", Role.CONSOLE)
    before = (folder / "devices.json").read_bytes()
    with pytest.raises(KeyFault, match="no live device 'other'"):
        keys.rotate(folder, "other", prove)
    (folder / "console.secret").unlink()
    with pytest.raises(KeyFault, match="missing"):
        keys.rotate(folder, "console", prove)
    assert (folder / "devices.json").read_bytes() == before


def test_a_full_registry_takes_no_new_key(folder, monkeypatch):
    keys.new(folder, "console", Role.CONSOLE)
    monkeypatch.setattr(keys, "DEVICES_MAX", 1)
    with pytest.raises(KeyFault, match="full"):
        keys.rotate(folder, "console", prove)


@pytest.mark.parametrize(
    ("field", "text"), [("sign_public", "xyz"), ("follows", "00"), ("proof", "00" * 63)]
)
def test_a_signing_key_that_is_none_is_refused_by_name(folder, field, text):
    keys.new(folder, "node", Role.NODE)
    device = msgspec.structs.replace(keys.list_devices(folder)[0], **{field: text})
    path = folder / "devices.json"
    path.write_bytes(msgspec.json.encode(keys.Registry((device,))))
    with pytest.raises(KeyFault, match=f"{field} of 'node' is not"):
        Keyring.load(folder)
