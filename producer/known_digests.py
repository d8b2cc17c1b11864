"""What the journal knows of its files' bytes, told by whoever has read them: a producer, a worker.

Called with the journal's database inside its transaction; raises sqlite3.DatabaseError where the
file is damaged.
"""

from __future__ import annotations

import sqlite3

from producer.journal_file import blob
from shared.digest import filled


def note(database: sqlite3.Connection, n: int, digests: bytes) -> None:
    """Keep the digests of batch `n` that are not known yet."""
    (known,) = database.execute("SELECT digests FROM batch WHERE n = ?", (n,)).fetchone()
    whole = filled(b"" if known is None else blob(known), digests)
    database.execute("UPDATE batch SET digests = ? WHERE n = ?", (whole, n))
