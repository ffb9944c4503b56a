"""`trocar keys`: make, list, rotate and revoke the devices' keys."""

from __future__ import annotations

import argparse
import json
import sys
import time

from teleop.cli.words import Commands, add_config, add_json, config_of, print_table, seconds_of

#: Running processes take up new keys within a second.
GRACE_S = 10.0


def add(commands: Commands) -> None:
    """Describe the command and its acts."""
    keys = commands.add_parser("keys", help="make, list, rotate and revoke devices' keys")
    acts = keys.add_subparsers(metavar="ACT", required=True)
    init = acts.add_parser("init", help="make what this node lacks: its devices, its robot's store")
    new = acts.add_parser("new", help="make a device")
    new.add_argument("name")
    new.add_argument("--role", required=True, help="console, script, robot, observer, ...")
    listing = acts.add_parser("list", help="list the devices")
    add_json(listing, "JSON instead of a table")
    revoke = acts.add_parser("revoke", help="refuse a device from now on, everywhere")
    revoke.add_argument("name")
    rotate = acts.add_parser(
        "rotate",
        help="give devices new keys; sessions go on",
        description="Give devices new keys, one or all whose secrets are here, the relay's and the "
        "robot's too. The old ones are let in until the grace is over; other computers need this "
        "node's new devices.json before that.",
    )
    rotate.add_argument("name", nargs="?", help="one device (default: all, here)")
    rotate.add_argument(
        "--grace", type=seconds_of, default=GRACE_S, metavar="S", help=f"({GRACE_S:g})"
    )
    every = (init, _init), (new, _new), (listing, _list), (rotate, _rotate), (revoke, _revoke)
    for act, run in every:
        add_config(act)
        act.set_defaults(run=run)


def _init(arguments: argparse.Namespace) -> int:
    from teleop.node.commission import commission

    config = config_of(arguments)
    for made in commission(config) or ["nothing: all is there"]:
        print(f"made {made}")
    return 0


def _new(arguments: argparse.Namespace) -> int:
    from teleop.node import audit
    from transport.io import keys

    config = config_of(arguments)
    try:
        role = keys.Role(arguments.role)
    except ValueError:
        raise keys.KeyFault(
            f"--role: expected one of {', '.join(keys.Role)}, found {arguments.role!r}"
        ) from None
    device = keys.new(config.keys_dir, arguments.name, role)
    recorded = audit.note(config, "key_new", device.name, role)
    print(f"made {device.name} ({device.role}), public key {device.public_z85}")
    print(f"its secret: {config.keys_dir / device.name}.secret")
    _tell_unless(recorded)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from transport.io import keys

    rows: list[dict[str, object]] = [
        {
            "name": device.name,
            "role": str(device.role),
            "public_z85": device.public_z85,
            "created_utc": device.created_utc,
            "retired": device.retired,
            "revoked": device.revoked,
        }
        for device in keys.list_devices(config_of(arguments).keys_dir)
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    from teleop.node import audit
    from transport.io import keys

    config = config_of(arguments)
    device = keys.revoke(config.keys_dir, arguments.name)
    recorded = audit.note(config, "key_revoke", device.name, device.role)
    print(f"revoked {device.name} ({device.role}); running nodes refuse it at once")
    _tell_unless(recorded)
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    from teleop.node import audit, rotation

    config = config_of(arguments)
    names = rotation.names(config, arguments.name)
    recorded = True
    for name in names:
        device = rotation.rotate(config, name)
        recorded &= audit.note(config, "key_rotate", name, device.role)
        print(f"{name} ({device.role}) has a new key, {device.public_z85}", flush=True)
    _tell_unless(recorded)
    print(f"the old ones are let in for {arguments.grace:g} s more", flush=True)
    try:
        time.sleep(arguments.grace)
    finally:
        gone = sum(rotation.retire(config, name) for name in names)
        print(f"revoked {gone} old")
    return 0


def _tell_unless(recorded: bool) -> None:
    if not recorded:
        print("not in the audit: `trocar keys init` has made no signer here yet", file=sys.stderr)
