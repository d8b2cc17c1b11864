"""Reads the serving copies in Redis, for processes without access to the store.

`shared/registry/mirror_writer.py` writes them. `fashion-mnist@0` has no copy: each side reads it
from the package.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import cast

import msgspec
import redis

from shared import keys
from shared.errors import SetupError, no_model, no_version
from shared.messages.model_card import Card, decode_card
from shared.messages.model_name import PRODUCTION, ModelName
from shared.registry import file_copies, packaged
from shared.registry.alias_log import AliasChange, aliases_after, decode_history
from shared.registry.catalog import CatalogModel, CatalogVersion
from shared.registry.mirror_writer import DISPLAYED, MAX_PICTURE_BYTES, is_mirrored

_THERE = "run the same command on the trainer's machine, without HANGTAG_REDIS_URL"


def resolve(client: redis.Redis, model: ModelName) -> Card:
    """The card of the version that a name currently stands for.

    Raises:
        SetupError: there is no such version or alias; the message lists the existing ones.
        redis.exceptions.RedisError: the server is unreachable.
    """
    version = model.version
    if version is None:
        version = _alias(client, model.name, model.alias or PRODUCTION)
    return load_card(client, model.name, version)


def load_card(client: redis.Redis, name: str, version: int) -> Card:
    """The card of a version. Raises SetupError, RedisError."""
    if packaged.is_packaged(name, version):
        return packaged.card()
    data = file_copies.value(client, keys.model_card(name, version))
    if data is None:
        raise SetupError(_missing(client, name, version))
    return decode_card(data)


def load_file(client: redis.Redis, card: Card, filename: str) -> bytes:
    """A file of a version, verified against its card.

    Raises:
        SetupError: it is not in Redis, or is never copied there, or does not match the card.
        redis.exceptions.RedisError: the server is unreachable.
    """
    if packaged.is_packaged(card.name, card.version):
        return packaged.read(filename)
    sha256 = card.files.get(filename)
    if sha256 is None:
        raise SetupError(f"{card.ref} has no {filename}; choose another --runtime")
    if not is_mirrored(filename):
        raise SetupError(
            f"{filename} of {card.ref} is not in Redis, only in the trainer's store; {_THERE}"
        )
    data = file_copies.load(client, sha256)
    if data is None and filename.endswith(DISPLAYED):
        raise SetupError(
            f"{filename} of {card.ref} is not in Redis, which has plots and figures of the newest "
            f"versions, up to {MAX_PICTURE_BYTES >> 20} MiB each; start the store's owner, or "
            + _THERE
        )
    if data is None:
        raise SetupError(f"{filename} of {card.ref} is not in Redis; start the store's owner")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SetupError(f"{filename} of {card.ref} does not match its card; publish it again")
    return data


def load_catalog(client: redis.Redis) -> list[CatalogModel]:
    """Every model with copies, and the packaged one.

    Raises:
        SetupError: a card is damaged.
        redis.exceptions.RedisError: the server is unreachable.
    """
    copies = sorted({(packaged.NAME, packaged.VERSION), *_copies(client)})
    grouped = itertools.groupby(copies, key=lambda copy: copy[0])
    return [_model(client, name, [number for _, number in of_name]) for name, of_name in grouped]


def _model(client: redis.Redis, name: str, numbers: Iterable[int]) -> CatalogModel:
    history = _history(client, name)
    sizes = _sizes(client, name)
    versions = [CatalogVersion(load_card(client, name, n), sizes.get(n, {})) for n in numbers]
    return CatalogModel(name, tuple(versions), aliases_after(name, history), tuple(history))


def _history(client: redis.Redis, name: str) -> list[AliasChange]:
    return decode_history(cast(bytes | None, client.get(keys.model_history(name))))


def _sizes(client: redis.Redis, name: str) -> dict[int, dict[str, int]]:
    """Version -> file name -> bytes."""
    encoded = cast(dict[bytes, bytes], client.hgetall(keys.model_sizes(name)))
    sizes = {int(n): msgspec.json.decode(data, type=dict[str, int]) for n, data in encoded.items()}
    if name == packaged.NAME:
        files = packaged.card().files
        sizes[packaged.VERSION] = {file: len(packaged.read(file)) for file in files}
    return sizes


def _alias(client: redis.Redis, name: str, alias: str) -> int:
    version = cast(bytes | None, client.hget(keys.model_aliases(name), alias))
    if version is not None:
        return int(version)
    if (name, alias) == (packaged.NAME, PRODUCTION):
        return packaged.VERSION
    raise SetupError(_missing(client, name, alias))


def _missing(client: redis.Redis, name: str, which: int | str) -> str:
    """The sentence for a missing version or alias, or for its missing model."""
    copies = [(packaged.NAME, packaged.VERSION), *_copies(client)]
    versions = [number for of, number in copies if of == name]
    if not versions:
        return no_model(name, (of for of, _ in copies))
    known = cast(dict[bytes, bytes], client.hgetall(keys.model_aliases(name)))
    aliases = {alias.decode(errors="replace") for alias in known}
    return no_version(name, which, versions, aliases | _own(name))


def _own(name: str) -> set[str]:
    """The aliases that a model has before any promotion."""
    return {PRODUCTION} if name == packaged.NAME else set()


def _copies(client: redis.Redis) -> list[tuple[str, int]]:
    """Name and version of every card in Redis, sorted."""
    names = (key.decode() for key in client.scan_iter(f"{keys.MODELS}*"))
    parts = (key.removeprefix(keys.MODELS).rpartition(":") for key in names)
    return sorted((name, int(version)) for name, _, version in parts)
