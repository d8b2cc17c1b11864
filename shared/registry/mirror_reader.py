"""Reads the serving copies in Redis, for processes without access to the store.

`shared/registry/mirror_writer.py` writes them. `fashion-mnist@0` has no copy: each side reads it
from the package.
"""

from __future__ import annotations

import hashlib
from typing import cast

import msgspec
import redis

from shared import keys
from shared.errors import SetupError
from shared.messages.model_card import Card, decode_card
from shared.registry import file_copies, packaged
from shared.registry.alias_log import AliasChange, decode_history
from shared.registry.catalog import ModelSource


class Mirror(ModelSource):
    """The serving copies. Each method raises RedisError if the server is unreachable."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def numbers(self) -> dict[str, list[int]]:
        names = (key.decode() for key in self._client.scan_iter(f"{keys.MODELS}*"))
        parts = (key.removeprefix(keys.MODELS).rpartition(":") for key in names)
        copies = {(name, int(version)) for name, _, version in parts}
        numbers: dict[str, list[int]] = {}
        for name, version in sorted({(packaged.NAME, packaged.VERSION), *copies}):
            numbers.setdefault(name, []).append(version)
        return numbers

    def history(self, name: str) -> list[AliasChange]:
        return decode_history(cast(bytes | None, self._client.get(keys.model_history(name))))

    def stored_card(self, name: str, version: int) -> Card:
        data = file_copies.value(self._client, keys.model_card(name, version))
        if data is None:
            raise SetupError(self.missing(name, version))
        return decode_card(data)

    def stored_file(self, card: Card, filename: str) -> bytes:
        sha256 = card.files.get(filename)
        if sha256 is None:
            raise SetupError(f"{card.ref} has no {filename}; choose another --runtime")
        data = file_copies.load(self._client, sha256)
        if data is None:
            raise SetupError(
                f"{filename} of {card.ref} is not in Redis; start the store's owner, or make room "
                "there (raise Redis' maxmemory, or remove versions with hangtag models rm "
                "NAME --unused), or run the same command on the trainer's machine, without "
                "HANGTAG_REDIS_URL"
            )
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SetupError(f"{filename} of {card.ref} does not match its card; publish it again")
        return data

    def stored_sizes(self, card: Card) -> dict[str, int]:
        data = cast(bytes | None, self._client.hget(keys.model_sizes(card.name), str(card.version)))
        return {} if data is None else msgspec.json.decode(data, type=dict[str, int])
