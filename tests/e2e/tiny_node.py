"""A noded over tiny processes: `tiny_node.py RUN_DIR NAME=MANNER...`; reports as JSON lines."""

import sys
from pathlib import Path

import msgspec
from tiny_child import TinySettings

from teleop.node.noded import Noded, Report
from teleop.node.processes import Process, Restart, always
from teleop.node.rundir import Busy, RunDir
from transport.io.process import ProcessSettings


def tell(report: Report) -> None:
    print(msgspec.json.encode(report).decode(), flush=True)


def main(path: str, *processes: str) -> int:
    manners = dict(word.split("=") for word in processes)
    rows = [Process(name, "tiny_child", 0, 0, Restart.ALWAYS, always) for name in manners]
    settings = {
        name: msgspec.json.encode(
            TinySettings(process=ProcessSettings(name=name, run_dir=path), manner=manner)
        )
        for name, manner in manners.items()
    }
    try:
        run_dir = RunDir(Path(path))
    except Busy as busy:
        sys.exit(str(busy))
    return Noded(run_dir, rows, settings, tell).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
