"""A node's audit: where it is, who signs it, and what a person does with it.

`trocar keys` writes here too, beside the running session service: the log lets both in, in turn.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.audit import ACTS, Entry, Outcome, Record
from safety.audit_event import audit_event, when
from safety.store import audit
from safety.store.audit import AuditLog, Verdict
from teleop.node.sections import NodeConfig
from transport.io.keys import KeyFault, Keyring, list_devices


def folder(config: NodeConfig) -> Path:
    """Return where the records are."""
    return Path(config.node.state_dir) / "audit"


def second(config: NodeConfig) -> Path:
    """Return where their newest signed head is kept."""
    return Path(config.audit.second)


def note(config: NodeConfig, act: str, target: str, detail: str = "") -> bool:
    """Record what a person did here by a command; False where nobody signs yet.

    Raises
    ------
    AuditError
    """
    signer = config.session.signer
    try:
        key = Keyring.load(config.keys_dir).signer(signer)
    except KeyFault:  # not commissioned: there is no audit before its signer is made
        return False
    log = AuditLog(folder(config), second(config), signer, key)
    log.append([Entry(time.time_ns(), getpass.getuser(), act, target, detail=detail)])
    return True


def verify(config: NodeConfig, tell: Callable[[int], None]) -> Verdict:
    """Read the whole chain; `tell` is given the bytes read since."""
    devices = list_devices(config.keys_dir)  # revoked ones too: they signed when they could

    def signers_of(name: str) -> list[Ed25519PublicKey]:
        keys = [device.sign_public for device in devices if device.name == name]
        return [Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for key in keys if key]

    return audit.verify(folder(config), second(config), signers_of, tell)


def size(config: NodeConfig) -> int:
    """Return how many bytes there are to read."""
    return sum(path.stat().st_size for path in folder(config).glob("audit-*.jsonl"))


def lines(config: NodeConfig, form: str, since_ns: int = 0) -> Iterator[str]:
    """Yield the records from a time on, one a line.

    Parameters
    ----------
    form : "json" (as they are kept), "fhir" (AuditEvent, R4), or "words"
    """
    node = config.node.name
    for record in audit.read(folder(config)):
        if record.t < since_ns:
            continue
        if form == "words":
            yield in_words(record)
        elif form == "fhir":
            yield msgspec.json.encode(audit_event(record, node)).decode()
        else:
            yield msgspec.json.encode(record).decode()


def in_words(record: Record) -> str:
    """Put a record into a line for a person."""
    said = [record.actor, ACTS[record.act].words, f"({record.target})"]
    if record.outcome is not Outcome.DONE:
        said.append(f"[{record.outcome}]")
    if record.detail and record.act != "head":
        said[-1] += f": {record.detail}"
    return f"{record.n:>6}  {when(record.t)}  {' '.join(said)}"
