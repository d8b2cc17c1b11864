"""`python -m tests.faults.apps.seeded_producer ARGUMENT...`: `hangtag` with a source of the tests
and armed points."""

from __future__ import annotations

from producer.cli import main
from tests.support.failpoints import armed
from tests.support.sources import seeded_source

if __name__ == "__main__":
    seeded_source.register()
    armed.watch()
    main.main()
