"""Gives a node's devices new keys while it runs, where no session notices; says where one would.

A console goes over to its new key by a second link, and lets go of the old when the relay carries
the new. The session service takes its port anew: nothing that runs needs it meanwhile. A signer's
old key names the new one, and robots follow. But a relay and a robot's guard listen with one key at
one port, and a bound socket keeps the key that it was bound with: whoever came back to it with the
new key in mind would be refused. So those are rotated while their node stands still.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety.signers import succeed
from teleop.node.config import NodeConfig
from teleop.node.errors import NodeError
from teleop.node.rundir import keeper_of
from transport.io import keys
from transport.io.keys import Device, Role

#: Who listens on the path of commands.
LISTENERS = frozenset({Role.RELAY, Role.ROBOT})


class RotationError(NodeError):
    """A device's keys cannot be rotated now; the text says what to do first."""


def names(config: NodeConfig, wanted: str | None) -> list[str]:
    """Say whose keys to rotate: one device's, or those of all whose secrets are here.

    Raises
    ------
    RotationError : the one that is wanted listens on the path of commands, and the node runs
    KeyFault : no such live device
    """
    runs = keeper_of(config.run_dir) is not None
    devices = {d.name: d for d in keys.list_devices(config.keys_dir) if d.is_current}
    if wanted is None:
        here = [d for d in devices.values() if _secret(config, d.name).exists()]
        return [d.name for d in here if not (runs and d.role in LISTENERS)]
    device = devices.get(wanted)
    if device is not None and runs and device.role in LISTENERS:
        raise RotationError(
            f"{wanted} is a {device.role} of a node that runs: its socket keeps its key. "
            "Stop the node (no session), rotate, and start it again"
        )
    return [wanted]


def rotate(config: NodeConfig, name: str) -> Device:
    """Give a device a new key beside its old one.

    Raises
    ------
    KeyFault : no such live device, or its secrets are elsewhere
    """
    return keys.rotate(config.keys_dir, name, _prove)


def retire(config: NodeConfig, name: str) -> int:
    """Revoke a device's old keys; return how many those were."""
    return keys.retire(config.keys_dir, name)


def _prove(signer: str, old: Ed25519PrivateKey, new: Ed25519PublicKey) -> bytes:
    return succeed(signer, old, new).signature


def _secret(config: NodeConfig, name: str) -> Path:
    return config.keys_dir / f"{name}.secret"
