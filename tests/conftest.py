"""What every test shares: how hypothesis searches on a machine that may stall at any moment."""

import os

from hypothesis import HealthCheck, settings

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
