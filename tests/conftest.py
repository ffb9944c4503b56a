"""What every test shares: how to live with a machine that may stall at any moment."""

import os
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

#: Folders whose tests play real processes in real time. What a starved machine does to such a play
#: once is told, with its trace, and is a bug to look at; twice in a row it fails. All other tests
#: have one go.
REAL = frozenset({"bench", "browser", "e2e"})
REAL_S = 240

settings.register_profile(
    "trocar",
    # A virtual machine alone shows gaps of 20 ms: how long an example took says nothing about it.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    # At a desk each run searches elsewhere; before a change lands, the change alone may fail it.
    derandomize="CI" in os.environ,
)
settings.load_profile("trocar")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of real processes their time, and a second go."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in REAL:
            item.add_marker(pytest.mark.flaky(reruns=1))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(REAL_S))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Tell what failed in its first go: nothing that happened is hidden by the second."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed in its first go: {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext)
