"""`trocar audit`: who did what, whether it still says so, and the same for other programs."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from teleop.cli.words import Commands, add_config, add_json, config_of


def add(commands: Commands) -> None:
    """Describe the command and its acts."""
    audit = commands.add_parser("audit", help="show, verify or export who did what")
    acts = audit.add_subparsers(metavar="ACT", required=True)
    show = acts.add_parser("show", help="the newest records, in words")
    show.add_argument("--last", type=int, default=20, metavar="N", help="how many (20)")
    verify = acts.add_parser("verify", help="find the first place that was tampered with")
    add_json(verify, "JSON instead of a sentence")
    export = acts.add_parser("export", help="write the records for another program")
    export.add_argument("--form", choices=("json", "fhir"), default="json", help="a line each")
    export.add_argument("--since", type=_time, metavar="TIME", help="2026-11-25T08:00, in UTC")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    for act, run in ((show, _show), (verify, _verify), (export, _export)):
        add_config(act)
        act.set_defaults(run=run)


def _show(arguments: argparse.Namespace) -> int:
    from collections import deque

    from teleop.node.audit import lines

    for line in deque(lines(config_of(arguments), "words"), maxlen=max(1, arguments.last)):
        print(line)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from teleop.node.audit import size, verify

    config = config_of(arguments)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=size(config))
        verdict = verify(config, lambda came: progress.advance(task, came))
    fault = verdict.fault
    if arguments.json:
        found = fault and {**fault._asdict(), "file": str(verdict.file) if verdict.file else None}
        print(json.dumps({"records": verdict.records, "signed": verdict.signed, "fault": found}))
    elif fault is None:
        print(f"all {verdict.records} records are as they were written, signed to the last")
    else:
        print(f"record {fault.n}{f' in {verdict.file}' if verdict.file else ''}: {fault.what}")
        print(f"the records before it hold; a signature covers the first {verdict.signed}")
    return 0 if fault is None else 1


def _export(arguments: argparse.Namespace) -> int:
    from teleop.node.audit import lines

    rows = lines(config_of(arguments), arguments.form, arguments.since or 0)
    if arguments.out is None:
        for row in rows:
            print(row)
        return 0
    with arguments.out.open("w") as file:
        written = sum(1 for row in rows if file.write(f"{row}\n"))
    print(f"{written} records are in {arguments.out}")
    return 0


def _time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a time such as 2026-11-25T08:00, found {text!r}"
        ) from None
    at = at.replace(tzinfo=at.tzinfo or UTC)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
