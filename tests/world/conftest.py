"""`--world-seed N`: the random worlds of exactly this seed."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the seed of a world to see again."""
    parser.addoption("--world-seed", type=int, action="append", help="only the storm of this seed")
