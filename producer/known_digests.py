"""What the journal knows of its files' bytes, told by whoever has read them: a producer, a worker.

Called with the journal's database inside its transaction; raises sqlite3.DatabaseError where the
file is damaged.
"""

from __future__ import annotations

import sqlite3

from producer import records
from shared.digest import filled


def note(database: sqlite3.Connection, n: int, digests: bytes) -> None:
    """Keep the digests of batch `n` that are not known yet."""
    record = records.one(database, n)
    records.put_files(database, record._replace(digests=filled(record.digests, digests)))
