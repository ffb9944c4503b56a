"""`python -m teleop` is the command `trocar`."""

import sys

from teleop.cli import main

sys.exit(main())
