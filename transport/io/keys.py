"""Says which device a public key belongs to, what role it has, and keeps the secret keys.

Files
-----
``devices.json``   every device this node knows: name, role, public keys, whether revoked (0600)
``<name>.secret``  CURVE secret key of a device that runs here (0600)
``<name>.sign``    Ed25519 secret key of a node, which signs grants (0600)

Rules
-----
- A name belongs to at most one device that is neither revoked nor retired; those stay, as evidence.
- A key is rotated by a new entry beside the old, which is let in for a while and then revoked.
- Every write is atomic, and writers exclude each other by a lock.
- A secret that others can read is refused, not warned about.
- Secrets are handed out as values that print as stars.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DEVICES_MAX = 4096
REGISTRY = "devices.json"
_LOCK = "devices.lock"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_KEY, _PROOF = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{128}")
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeyFault(Exception):
    """A key or registry cannot be used; the message says why and what to do."""


class Role(enum.StrEnum):
    """What a device is for. Each listening socket names the roles that it lets in."""

    NODE = "node"
    RELAY = "relay"
    ROBOT = "robot"
    SESSION = "session"
    CONSOLE = "console"
    SCRIPT = "script"
    DRIVER = "driver"
    OBSERVER = "observer"
    DEVICE = "device"
    ICU = "icu"
    BEDSIDE = "bedside"
    GUARD = "guard"


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the registry.

    Parameters
    ----------
    public_z85 : CURVE public key
    created_utc : when, for people (ISO 8601)
    revoked : its key is refused everywhere, at once
    retired : its name has a newer key; this one is let in until it is revoked
    sign_public : Ed25519 public key in hex, of a node
    follows, proof : the signing key before that one, and what it signed to say so, in hex
    """

    name: str
    role: Role
    public_z85: str
    created_utc: str
    revoked: bool = False
    retired: bool = False
    sign_public: str | None = None
    follows: str | None = None
    proof: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether it is the one that its name means."""
        return not (self.revoked or self.retired)


class Followed(NamedTuple):
    """A signing key that follows another: both raw, and the old one's word for it."""

    old: bytes
    new: bytes
    proof: bytes


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``devices.json``."""

    devices: tuple[Device, ...] = ()


Prove = Callable[[str, Ed25519PrivateKey, Ed25519PublicKey], bytes]


class Identity(NamedTuple):
    """A CURVE key pair of a device that runs here; prints without its secret."""

    name: str
    public_z85: bytes
    secret_z85: bytes

    def __repr__(self) -> str:
        return f"Identity(name={self.name!r}, secret=***)"


class Keyring:
    """The registry in memory. One attribute is for hot paths, the rest for everybody.

    Attributes
    ----------
    live : dict of public key (z85 text) to Device, without the revoked. `refresh` replaces it,
        so take it anew from the keyring for each use.
    """

    __slots__ = ("_followed", "_names", "_stamp", "directory", "live")

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.live: dict[str, Device] = {}
        self._names: dict[str, Device] = {}
        self._followed: dict[str, list[Followed]] = {}
        self._stamp: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def load(cls, directory: Path | str) -> Keyring:
        """Read the registry of `directory`.

        Raises
        ------
        KeyFault : none there, or damaged, or open to others
        """
        keyring = cls(Path(directory))
        keyring._read()
        return keyring

    def device(self, public_z85: str) -> Device | None:
        """Find the device with this public key; None for unknown and for revoked ones."""
        return self.live.get(public_z85)

    def named(self, name: str) -> Device | None:
        """Find the live device of this name."""
        return self._names.get(name)

    def successions(self, name: str) -> list[Followed]:
        """Return how this node's signing key came about, the oldest rotation first."""
        return self._followed.get(name, [])

    def refresh(self) -> bool:
        """Read the registry again if it was replaced; return whether it was.

        A registry that cannot be read leaves the old one in force: a half-copied file must not
        cut every robot off. (A device is revoked by a file that can be read.)
        """
        if _stamp(self.directory / REGISTRY) == self._stamp:
            return False
        try:
            self._read()
        except KeyFault:
            return False
        return True

    def identity(self, name: str) -> Identity:
        """Load the CURVE key pair of a device that runs here.

        Raises
        ------
        KeyFault : not there, open to others, damaged, or not the key that the registry has
        """
        secret = _read_secret(self.directory / f"{_valid(name)}.secret").strip()
        if _Z85.fullmatch(secret.decode("ascii", "replace")) is None:
            raise KeyFault(f"{self.directory / name}.secret is damaged: make the device anew")
        public = zmq.curve_public(secret)
        device = self.named(name)
        if device is None or device.public_z85.encode() != public:
            raise KeyFault(f"{name!r} is not in {REGISTRY}, is revoked, or has another key there")
        return Identity(name, public, secret)

    def server(self, name: str) -> bytes:
        """Return the public key of the device that a client is about to connect to.

        Raises
        ------
        KeyFault : unknown or revoked
        """
        device = self.named(name)
        if device is None:
            raise KeyFault(f"{name!r} is not in {self.directory / REGISTRY}, or is revoked")
        return device.public_z85.encode()

    def signer(self, name: str) -> Ed25519PrivateKey:
        """Load the Ed25519 key with which a node signs.

        Raises
        ------
        KeyFault : not there, open to others, or not the key that the registry has
        """
        path = self.directory / f"{_valid(name)}.sign"
        try:
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_read_secret(path).decode()))
        except ValueError as error:
            raise KeyFault(f"{path} is damaged: make the device anew") from error
        device = self.named(name)
        if device is None or device.sign_public != key.public_key().public_bytes_raw().hex():
            raise KeyFault(f"{path} is not the signing key that {REGISTRY} has for {name!r}")
        return key

    def _read(self) -> None:
        stamp = _stamp(self.directory / REGISTRY)
        devices = _load(self.directory).devices
        self._names = {device.name: device for device in devices if device.is_current}
        self.live = {device.public_z85: device for device in devices if not device.revoked}
        self._followed = {}
        for device in devices:
            if device.sign_public and device.follows and device.proof:
                raw = map(bytes.fromhex, (device.follows, device.sign_public, device.proof))
                self._followed.setdefault(device.name, []).append(Followed(*raw))
        self._stamp = stamp


def new(directory: Path | str, name: str, role: Role) -> Device:
    """Make a device: its keys and its entry. The directory is made if it is missing (0700).

    Raises
    ------
    KeyFault : the name is bad or taken, the registry is full or damaged
    """
    directory = Path(directory)
    _valid(name)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(directory):
        registry = _load(directory) if (directory / REGISTRY).exists() else Registry()
        if any(device.name == name and not device.revoked for device in registry.devices):
            raise KeyFault(f"device {name!r} exists: revoke it first")
        if len(registry.devices) >= DEVICES_MAX:
            raise KeyFault(f"{directory / REGISTRY} is full: {DEVICES_MAX} devices")
        device = _made(directory, name, role)
        _save(directory, Registry((*registry.devices, device)))
    return device


def rotate(directory: Path | str, name: str, prove: Prove) -> Device:
    """Give a device new keys beside the old ones, which are let in until `retire` is called.

    Parameters
    ----------
    prove : has a node's old signing key sign its new one

    Raises
    ------
    KeyFault : no such live device, or its secrets are not here
    """
    directory = Path(directory)
    with _locked(directory):
        devices = _load(directory).devices
        old = _current(directory, devices, name)
        if len(devices) >= DEVICES_MAX:
            raise KeyFault(f"{directory / REGISTRY} is full: {DEVICES_MAX} devices")
        keyring = Keyring.load(directory)
        keyring.identity(name)  # whose secret is elsewhere is rotated there
        before = keyring.signer(name) if old.role is Role.NODE else None
        fresh = _made(directory, name, old.role)
        if before is not None and fresh.sign_public is not None:
            after = Ed25519PublicKey.from_public_bytes(bytes.fromhex(fresh.sign_public))
            proof = prove(name, before, after).hex()
            fresh = msgspec.structs.replace(fresh, follows=old.sign_public, proof=proof)
        retired = msgspec.structs.replace(old, retired=True)
        _save(directory, Registry((*(retired if d is old else d for d in devices), fresh)))
    return fresh


def retire(directory: Path | str, name: str) -> int:
    """Revoke the keys that a device had before its present ones; return how many those were."""
    directory = Path(directory)
    with _locked(directory):
        devices = _load(directory).devices
        old = [d for d in devices if d.name == name and d.retired and not d.revoked]
        if old:
            gone = tuple(
                msgspec.structs.replace(d, revoked=True) if d in old else d for d in devices
            )
            _save(directory, Registry(gone))
    return len(old)


def list_devices(directory: Path | str) -> tuple[Device, ...]:
    """Return every entry, revoked ones too, in the order they were made.

    Raises
    ------
    KeyFault : none there, or damaged, or open to others
    """
    return _load(Path(directory)).devices


def revoke(directory: Path | str, name: str) -> Device:
    """Revoke a device and delete the secrets that are here. Running sockets see it within 50 ms.

    Raises
    ------
    KeyFault : no such live device
    """
    directory = Path(directory)
    with _locked(directory):
        registry = _load(directory)
        current = _current(directory, registry.devices, name)
        devices = tuple(
            msgspec.structs.replace(d, revoked=True) if d.name == name else d
            for d in registry.devices
        )
        _save(directory, Registry(devices))
        for suffix in ("secret", "sign"):
            (directory / f"{name}.{suffix}").unlink(missing_ok=True)
    return msgspec.structs.replace(current, revoked=True)


def _made(directory: Path, name: str, role: Role) -> Device:
    """Make keys, and the entry that fits them."""
    public, secret = zmq.curve_keypair()
    _write(directory / f"{name}.secret", secret + b"\n")
    sign_public = None
    if role is Role.NODE:
        key = Ed25519PrivateKey.generate()
        _write(directory / f"{name}.sign", key.private_bytes_raw().hex().encode())
        sign_public = key.public_key().public_bytes_raw().hex()
    return Device(
        name=name,
        role=role,
        public_z85=public.decode(),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        sign_public=sign_public,
    )


def _current(directory: Path, devices: tuple[Device, ...], name: str) -> Device:
    found = [d for d in devices if d.name == _valid(name) and d.is_current]
    if not found:
        raise KeyFault(f"no live device {name!r} in {directory / REGISTRY}")
    return found[0]


def _valid(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise KeyFault(f"device name {name!r}: 1 to 32 of a-z 0-9 . _ -, first a letter or digit")
    return name


def _stamp(path: Path) -> tuple[int, int, int]:
    # Replaced files have a new inode; the size and time catch editors that write in place.
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_ino, status.st_mtime_ns, status.st_size


def _load(directory: Path) -> Registry:
    path = directory / REGISTRY
    try:
        registry = msgspec.json.decode(_read_secret(path), type=Registry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KeyFault(f"{path}: {error}") from error
    names = [device.name for device in registry.devices if device.is_current]
    keys = [device.public_z85 for device in registry.devices]
    if len(set(names)) != len(names) or len(set(keys)) != len(keys):
        raise KeyFault(f"{path}: a name or a key stands there twice")
    for device in registry.devices:
        _valid(device.name)
        if _Z85.fullmatch(device.public_z85) is None:
            raise KeyFault(f"{path}: public key of {device.name!r} is not 40 z85 characters")
        for what, text in (("sign_public", device.sign_public), ("follows", device.follows)):
            if text is not None and _KEY.fullmatch(text) is None:
                raise KeyFault(f"{path}: {what} of {device.name!r} is not 64 hex digits")
        if device.proof is not None and _PROOF.fullmatch(device.proof) is None:
            raise KeyFault(f"{path}: proof of {device.name!r} is not 128 hex digits")
    return registry


def _save(directory: Path, registry: Registry) -> None:
    data = msgspec.json.format(msgspec.json.encode(registry), indent=2)
    _write(directory / REGISTRY, data + b"\n")


def _read_secret(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyFault(
                    f"{path} can be read or changed by others (mode {mode:04o}): "
                    f"run `chmod 600 {path}`, and make the key anew if that was so for long"
                )
            return file.read(1 << 22)
    except FileNotFoundError as error:
        raise KeyFault(f"{path} is missing: `trocar keys new` makes it") from error
    except OSError as error:
        raise KeyFault(f"{path}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        os.fchmod(fd, 0o600)
        file.write(data)
        file.flush()
        os.fsync(fd)
    os.rename(fresh, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    fd = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
