"""Gives a node's devices new keys while it runs, and no session notices.

Who connects opens a second connection with the new key, and lets go of the old when the new is
answered. Who listens (a relay, a robot's guard, the session service, the monitor) opens a second
socket at the same port: whoever is here stays at the first, whoever comes reaches the second, and
the first is shut when its key is revoked. A signer's old key names the new one, and robots follow.

A computer elsewhere has a copy of the registry: it needs the new entries before the grace is over,
and until it has them it cannot come back to a listener that was rotated.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety.signers import succeed
from teleop.node.sections import NodeConfig
from transport.io import keys
from transport.io.keys import Device


def names(config: NodeConfig, wanted: str | None) -> list[str]:
    """Say whose keys to rotate: one device's, or those of all whose secrets are here."""
    if wanted is not None:
        return [wanted]
    devices = [d.name for d in keys.list_devices(config.keys_dir) if d.is_current]
    return [name for name in devices if _secret(config, name).exists()]


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
