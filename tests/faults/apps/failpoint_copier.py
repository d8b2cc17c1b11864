"""`python -m tests.faults.apps.failpoint_copier URL STORE`: copies a store with armed points."""

from __future__ import annotations

import sys
from pathlib import Path

import redis

from shared.registry import mirror_writer
from shared.registry.registry import Registry
from tests.support.failpoints import armed

if __name__ == "__main__":
    armed.watch()
    mirror_writer.publish(redis.Redis.from_url(sys.argv[1]), Registry(Path(sys.argv[2])))
