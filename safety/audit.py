"""Who did what to whom, in a chain that shows where it was tampered with.

One record is one line of JSON. Its hash (SHA-256) covers the hash before it and every byte of its
own, so an edit, a deletion or a change of order breaks the chain at that very record. What a chain
cannot show by itself is that its end is missing: so each head (number and hash of the newest
record) is signed (Ed25519) and kept at a second place; and once an hour a signed head stands in
the chain, so that whoever can write here, but has no key, cannot make all of it anew.

Rules
-----
- `ACTS` lists what is worth a record; a name without a row is an error of the program.
- Actors and targets are devices, robots, beds and alarms, never patients.
- Wall-clock time is for people and decides nothing: the order of the records is their number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GENESIS: Final = "0" * 64
#: A record with all its words; longer ones are cut, never refused: an act is not undone by words.
LINE_BYTES_MAX: Final = 16 * 1024
NAME_MAX, DETAIL_MAX = 64, 512
#: `,"hash":"`, 64 digits, `"}` and the line's end.
_SEAL_BYTES: Final = 9 + 64 + 3
_DOMAIN: Final = b"trocar audit head v1\n"

SignersOf = Callable[[str], Sequence[Ed25519PublicKey]]

Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Kind(NamedTuple):
    """What an act is, for whoever reads it elsewhere.

    Parameters
    ----------
    code, display : DICOM PS3.16 CID 400, the kinds of audit events
    action : FHIR's letter: create, read, update, delete, execute
    words : for people
    """

    code: str
    display: str
    action: str
    words: str


_ROLES = ("110136", "Security Roles Changed")
_KEYS = ("110137", "User Security Attributes Changed")
_USE = ("110132", "Use of Restricted Function")
_EMERGENCY = ("110127", "Emergency Override Started")
_LOG = ("110100", "Application Activity")

# fmt: off
ACTS: Final[dict[str, Kind]] = {
    # authority
    "request":     Kind(*_ROLES,     "E", "asked for a robot"),
    "grant":       Kind(*_ROLES,     "C", "was granted a robot"),
    "deny":        Kind(*_ROLES,     "E", "was denied a robot"),
    "offer":       Kind(*_ROLES,     "E", "offered to hand a robot over"),
    "confirm":     Kind(*_ROLES,     "E", "confirmed a hand-over"),
    "handover":    Kind(*_ROLES,     "U", "handed a robot over"),
    "withdraw":    Kind(*_ROLES,     "E", "withdrew from a hand-over"),
    "release":     Kind(*_ROLES,     "D", "gave a robot back"),
    "revoke":      Kind(*_ROLES,     "D", "lost a robot"),
    "expire":      Kind(*_ROLES,     "D", "held a robot until its time was over"),
    "observe":     Kind(*_ROLES,     "R", "observes a robot"),
    "bind":        Kind(*_ROLES,     "U", "bound a robot to a bed"),
    "break_glass": Kind(*_EMERGENCY, "U", "overrode the holder of a robot"),
    # at the bedside
    "take":        Kind(*_EMERGENCY, "E", "took a robot at the bedside"),
    "give":        Kind(*_USE,       "E", "gave a robot back to its remote hand"),
    "retract":     Kind(*_USE,       "E", "retracted an instrument at the bedside"),
    "reset":       Kind(*_USE,       "E", "reset a latched stop"),
    # stops
    "estop":       Kind(*_USE,       "E", "pressed an emergency stop"),
    "stop":        Kind(*_LOG,       "E", "was stopped"),
    "alarm":       Kind("110113", "Security Alert", "E", "gave an alarm"),
    # keys
    "key_new":     Kind(*_KEYS,      "C", "made a key"),
    "key_revoke":  Kind(*_KEYS,      "D", "revoked a key"),
    "key_rotate":  Kind(*_KEYS,      "U", "rotated a key"),
    "commission":  Kind(*_KEYS,      "C", "commissioned a node"),
    # alarms
    "acknowledge": Kind(*_USE,       "U", "acknowledged an alarm"),
    "pause":       Kind(*_USE,       "U", "paused an alarm's sound"),
    "limits":      Kind(*_USE,       "U", "changed an alarm's limits"),
    "patient":     Kind(*_USE,       "U", "admitted, associated or discharged a bed's patient"),
    # the log itself
    "open":        Kind("110120", "Application Start", "E", "began to record"),
    "close":       Kind("110121", "Application Stop",  "E", "ended recording"),
    "head":        Kind(*_LOG,       "E", "signed the records so far"),
    "lost":        Kind(*_LOG,       "E", "could not record everything"),
    "export":      Kind("110101", "Audit Log Used",    "R", "read the records"),
}
# fmt: on


class Entry(msgspec.Struct, frozen=True):
    """Something that was done.

    Parameters
    ----------
    t_utc_ns : wall-clock time, ns since 1970
    actor, target : device, robot, bed or alarm
    act : a name of `ACTS`
    detail : a sentence, or what a program needs of it
    """

    t_utc_ns: int
    actor: str
    act: str
    target: str
    outcome: Outcome = Outcome.DONE
    detail: str = ""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the chain, numbered from 1; `t` is in ns since 1970."""

    n: int
    t: int
    actor: str
    act: str
    target: str
    outcome: Outcome
    detail: str
    hash: Hash


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest record when it was signed."""

    n: int
    hash: Hash
    signer: str
    signature: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}$")]

    def is_signed(self, signers: Iterable[Ed25519PublicKey]) -> bool:
        """Tell whether one of these keys signed it."""
        return any(self._is_signed(signer) for signer in signers)

    def _is_signed(self, signer: Ed25519PublicKey) -> bool:
        try:
            signer.verify(bytes.fromhex(self.signature), _signed_of(self.n, self.hash, self.signer))
        except InvalidSignature:
            return False
        return True


def sign(n: int, digest: str, signer: str, key: Ed25519PrivateKey) -> Head:
    """Sign a head."""
    return Head(n, digest, signer, key.sign(_signed_of(n, digest, signer)).hex())


class Chain:
    """The end of a chain: what comes next follows from it.

    Attributes
    ----------
    n, hash : of the newest record
    """

    __slots__ = ("hash", "n")

    def __init__(self, n: int = 0, digest: str = GENESIS) -> None:
        self.n = n
        self.hash = digest

    def append(self, entry: Entry) -> bytes:
        """Give an entry its line.

        Raises
        ------
        KeyError : its act has no row in `ACTS`
        """
        ACTS[entry.act]
        self.n += 1
        body = _encode(
            {
                "n": self.n,
                "t": entry.t_utc_ns,
                "actor": _cut(entry.actor, NAME_MAX),
                "act": entry.act,
                "target": _cut(entry.target, NAME_MAX),
                "outcome": entry.outcome,
                "detail": _cut(entry.detail, DETAIL_MAX),
            }
        )[:-1]
        self.hash = _digest(self.hash, body)
        return b'%b,"hash":"%b"}\n' % (body, self.hash.encode())


class Fault(NamedTuple):
    """Where a chain is not what was written: at this record, or right behind it."""

    n: int
    what: str


class Verifier:
    """Reads a chain from its beginning and finds the first place that was tampered with.

    Parameters
    ----------
    signers_of : the public keys that a signer of this name has, or had before it was given another

    Attributes
    ----------
    chain : as far as it holds
    signed : number of the newest record that a signed head in the chain covers
    """

    def __init__(self, signers_of: SignersOf) -> None:
        self._signers_of = signers_of
        self.chain = Chain()
        self.signed = 0
        self._wanted: dict[int, str] = {}

    def expect(self, head: Head) -> Fault | None:
        """Take the head that was kept elsewhere, before the first line is read."""
        if fault := self._judge(head, head.n):
            return fault
        self._wanted[head.n] = head.hash
        return None

    def read(self, line: bytes) -> Fault | None:
        """Take the next line; the first fault ends the reading."""
        chain, n = self.chain, self.chain.n + 1
        body, seal = line[:-_SEAL_BYTES], line[-_SEAL_BYTES:]
        try:
            record = _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            torn = "" if line.endswith(b"\n") else " and is cut off"
            return Fault(n, f"the line is no record{torn}: {error}")
        if record.n != n:
            gone = "one is missing or moved" if record.n > n else "one is twice there or moved"
            return Fault(n, f"record {record.n} stands in the place of record {n}: {gone}")
        digest = _digest(chain.hash, body)
        if seal != b',"hash":"%b"}\n' % digest.encode():
            return Fault(n, "it was changed, or the record before it is not the one that was")
        previous, chain.n, chain.hash = chain.hash, n, digest
        if self._wanted.pop(n, digest) != digest:
            return Fault(n, "the head that was kept elsewhere is another: the chain was made anew")
        return self._head(record, previous) if record.act == "head" else None

    def end(self) -> Fault | None:
        """Say whether the end is missing."""
        for n in self._wanted:
            return Fault(
                self.chain.n, f"the chain ends here; a head that was kept elsewhere knows {n}"
            )
        return None

    def _head(self, record: Record, previous: str) -> Fault | None:
        try:
            head = msgspec.json.decode(record.detail, type=Head)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Fault(record.n, f"its signed head cannot be read: {error}")
        if fault := self._judge(head, record.n):
            return fault
        if (head.n, head.hash) != (record.n - 1, previous):
            return Fault(record.n, f"its signed head is not that of record {record.n - 1}")
        self.signed = head.n
        return None

    def _judge(self, head: Head, n: int) -> Fault | None:
        signers = self._signers_of(head.signer)
        if not signers:
            return Fault(n, f"nobody knows the signer {head.signer!r} of a head")
        if not head.is_signed(signers):
            return Fault(n, f"the signature of a head is not {head.signer}'s")
        return None


def head_entry(chain: Chain, signer: str, key: Ed25519PrivateKey, t_utc_ns: int) -> Entry:
    """Make the entry that carries the signed head of a chain."""
    head = sign(chain.n, chain.hash, signer, key)
    return Entry(t_utc_ns, signer, "head", "audit", detail=_encode(head).decode())


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Read lines that were verified."""
    return map(_decode, lines)


def _digest(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode() + body).hexdigest()


def _signed_of(n: int, digest: str, signer: str) -> bytes:
    return _DOMAIN + f"{n} {digest} {signer}".encode()


def _cut(words: str, length: int) -> str:
    """Cut words, and replace what no text can hold."""
    return words[:length].encode(errors="replace").decode()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
