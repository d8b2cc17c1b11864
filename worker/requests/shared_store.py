"""The store that all trainers of a broker share: a request is decided in one folder.

STORE/.requests/store-id   names the store in Redis
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import redis

from shared import atomic_file, file_lock, keys
from shared.errors import SetupError
from shared.ledger.request_store import FOLDER

#: The store of trainers that have all ended can be replaced after this time.
HELD_S = 60.0
_ID_FILE = "store-id"


class OtherStore(SetupError):
    """Trainers of the same broker work in another store."""


def check_shared(client: redis.Redis, store: Path) -> bool:
    """Check that the trainers of this server work in this store; the first one decides. Returns
    whether Redis knew none: no trainer was alive, or it has lost its data.

    Raises:
        OtherStore: they work in another one.
        OSError: the store cannot be written.
        redis.exceptions.RedisError: the server is unreachable.
    """
    mine, held_ms = _id(store), int(HELD_S * 1000)
    is_new = bool(client.set(keys.STORE, mine, nx=True, px=held_ms))
    if client.get(keys.STORE) not in (mine, None):
        raise OtherStore(
            f"the trainers of this broker share another store than {store}; set HANGTAG_STORE to "
            f"theirs, or end them and wait {HELD_S:.0f} s"
        )
    client.pexpire(keys.STORE, held_ms)
    return is_new


def _id(store: Path) -> bytes:
    """The id of the store, which is created if it has none."""
    atomic_file.make_folder(store / FOLDER)
    file = os.open(store / FOLDER / _ID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        file_lock.acquire(file)
        known = os.pread(file, 64, 0)
        if not known:
            known = secrets.token_hex(16).encode()
            os.pwrite(file, known, 0)
            os.fsync(file)
        return known
    finally:
        os.close(file)
