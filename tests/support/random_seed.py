"""The random seed of the tests."""

from __future__ import annotations

import os
import secrets

VARIABLE = "HANGTAG_TEST_SEED"
#: Read before any test cleans the environment, and set for the processes of pytest-xdist.
SEED = os.environ.setdefault(VARIABLE, "") or secrets.token_hex(4)
os.environ[VARIABLE] = SEED
