"""The tables of a sorted folder's log, and the checksum of each of their rows.

A row is damaged if it differs from its checksum, and foreign if that has another log's token. The
row of `log` has the number and the sum of all checksums, so that a missing row is noticed, too. The
checksums find damage, and are no signature: what a log may do is decided by reach.py.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
from functools import cache

import msgspec

from producer.sort_log.entry import State

#: The number of the format, in `user_version`.
VERSION = 2
#: The part of temporary names that no other log has.
TOKEN = re.compile(r"[0-9a-f]{16}")
_TOKEN_BYTES = 8
#: Each has checksums in its last column.
SEALED = ("sorting", "made", "file")
_MODULUS = 1 << 64

_INDEXES = (
    "CREATE UNIQUE INDEX file_place ON file (place)",
    "CREATE INDEX file_source ON file (source_hash)",
    "CREATE INDEX file_wanted ON file (wanted, serial)",
    f"CREATE INDEX file_open ON file (state) WHERE state != {State.PLACED.value}",
)
TABLES = (
    # `base` is the folder that --back-to replaces; NULL before it was used.
    "CREATE TABLE log (token TEXT NOT NULL, base BLOB, rows INTEGER NOT NULL,"
    " total INTEGER NOT NULL, seal INTEGER NOT NULL)",
    # A table that was sorted into this folder. `rule` is a digest of the folder of each row.
    "CREATE TABLE sorting (id INTEGER PRIMARY KEY, output TEXT NOT NULL UNIQUE, job TEXT NOT NULL,"
    " way TEXT NOT NULL, rule TEXT NOT NULL, seal INTEGER NOT NULL)",
    # `source_hash` is of the source, `place` of the folder and the name without regard to case,
    # `wanted` of the folder and the name before it got a number.
    "CREATE TABLE file (sorting INTEGER NOT NULL, row INTEGER NOT NULL, way TEXT NOT NULL,"
    " state INTEGER NOT NULL, source BLOB NOT NULL, folder TEXT NOT NULL, name BLOB NOT NULL,"
    " size INTEGER NOT NULL, crc BLOB NOT NULL, inode INTEGER NOT NULL,"
    " source_hash INTEGER NOT NULL, place INTEGER NOT NULL, wanted INTEGER NOT NULL,"
    " serial INTEGER NOT NULL, seal INTEGER NOT NULL, PRIMARY KEY (sorting, row)) WITHOUT ROWID",
    *_INDEXES,
    # Folders that did not exist before; the empty name is OUT itself.
    "CREATE TABLE made (folder TEXT PRIMARY KEY, seal INTEGER NOT NULL)",
)


def new_token() -> str:
    """A token that no other log has."""
    return secrets.token_hex(_TOKEN_BYTES)


def seal(token: str, table: str, *cells: object) -> int:
    """The checksum of a row, from its type and value of each cell."""
    data = msgspec.msgpack.encode((token, table, cells))
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)


def added(total: int, seal: int) -> int:
    """The sum of checksums with one more; a negative number takes one away."""
    half = _MODULUS // 2
    return (total + seal + half) % _MODULUS - half


def has_tables(database: sqlite3.Connection, tables: tuple[str, ...]) -> bool:
    """Whether a database has exactly these tables and indexes. Raises sqlite3.DatabaseError."""
    return _parts(database) == _expected(tables)


@cache
def _expected(tables: tuple[str, ...]) -> set[tuple[str, ...]]:
    database = sqlite3.connect(":memory:")
    for table in tables:
        database.execute(table)
    parts = _parts(database)
    database.close()
    return parts


def _parts(database: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
