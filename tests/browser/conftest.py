"""A browser for the tests: Debian's Chromium, driven by playwright, which downloads nothing.

Without it these tests are skipped, loudly; where CI is set they fail instead, so that nobody takes
"not tested" for "works". `make test` installs it when it may.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # root in a container
    "--allow-loopback-in-peer-connection",  # a machine may have no other address
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a running browser. While it runs, playwright's event loop is this thread's."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        say = "NOT TESTED in a browser: there is no Chromium (apt-get install chromium)"
        if "CI" in os.environ:
            pytest.fail(say)
        pytest.skip(say)
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield made
        made.close()
