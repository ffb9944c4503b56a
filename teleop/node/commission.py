"""Makes what a node needs before its first start: its devices' keys, and its robot's store.

An explicit act of a person (`trocar keys init`), or the demo's. A node that finds nothing does
not make it up: a store that is missing may be one that was lost.
"""

from __future__ import annotations

from pathlib import Path

from safety.store.file import RobotStore, StoreError
from teleop.node import audit
from teleop.node.sections import NodeConfig
from teleop.node.slices import store_path
from transport.io import keys
from transport.io.keys import KeyFault, Keyring, Role


def devices(config: NodeConfig) -> dict[str, Role]:
    """Return the devices that a node of this configuration is made of, with their roles."""
    found = {
        config.relay.identity: Role.RELAY,
        config.session.identity: Role.SESSION,
        config.session.signer: Role.NODE,
        config.watchdog.identity: Role.GUARD,
        config.robot.name: Role.ROBOT,
        config.monitor.identity if config.monitor.beds else "": Role.GUARD,
        **dict.fromkeys(config.estop, Role.GUARD),
    }
    found.pop("", None)  # who has no name does not run
    return found


def commission(config: NodeConfig) -> list[str]:
    """Make what is missing; return what was made, in words.

    Raises
    ------
    KeyFault : a device of that name has another role, or the registry is damaged
    """
    made = [
        f"{name} ({role})"
        for name, role in devices(config).items()
        if ensure(config.keys_dir, name, role)
    ]
    store = store_path(config)
    if not store.exists():
        RobotStore(store).create()
        made.append(f"{store.name} (what {config.robot.name} remembers)")
    if made:
        audit.note(config, "commission", config.node.name, ", ".join(made))
    return made


def ensure(directory: Path, name: str, role: Role) -> bool:
    """Make a device unless there is one; return whether it was made.

    Raises
    ------
    KeyFault : there is one, with another role
    """
    known = _live(directory)
    if name not in known:
        keys.new(directory, name, role)
        return True
    if known[name] is not role:
        raise KeyFault(f"{directory}: {name!r} is a {known[name]}, and should be a {role}")
    return False


def lacking(config: NodeConfig) -> list[str]:
    """Say what a node would miss that started now, one sentence each; empty when nothing."""
    found = []
    try:
        keyring = Keyring.load(config.keys_dir)
    except KeyFault as fault:
        return [str(fault)]
    for name, role in devices(config).items():
        try:
            keyring.identity(name)
            if role is Role.NODE:
                keyring.signer(name)
        except KeyFault as fault:
            found.append(str(fault))
        device = keyring.named(name)
        if device is not None and device.role is not role:
            found.append(f"{name!r} is a {device.role} among the keys, and should be a {role}")
    try:
        RobotStore(store_path(config)).read()
    except StoreError as error:
        found.append(str(error))
    return found


def _live(directory: Path) -> dict[str, Role]:
    if not (directory / keys.REGISTRY).exists():
        return {}
    return {d.name: d.role for d in keys.list_devices(directory) if not d.revoked}
