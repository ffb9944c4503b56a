"""A process of a node that does nothing, in the manner that its settings ask for."""

import os
import signal
import sys

import msgspec

from transport.io.process import ProcessSettings, Runtime, main


class TinySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`manner`: good, deaf (to TERM), forks (leaves a grandchild in a session of its own)."""

    process: ProcessSettings
    manner: str = "good"


class Tiny:
    def __init__(self, settings: TinySettings, runtime: Runtime) -> None:
        runtime.board.gauge("ready").set(0)
        if settings.manner == "deaf":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if settings.manner == "forks":
            _leave_grandchild(settings.process.run_dir)
        runtime.ready()

    def close(self) -> None:
        pass


def _leave_grandchild(run_dir: str) -> None:
    if os.fork() == 0:
        os.setsid()
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", run_dir])


if __name__ == "__main__":
    raise SystemExit(main(TinySettings, Tiny))
