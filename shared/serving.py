"""Serving copies: what workers and producers need of a model, kept in Redis.

So nothing but Redis is needed between machines. Whoever owns the store puts the copies there when
a version is published, and again on a timer, since Redis may lose them. `fashion-mnist@0` is read
from the package on each side and needs no copy.
"""

from __future__ import annotations

import hashlib
from typing import cast

import redis

from shared import keys, pretrained
from shared.card import Card, decode_card, encode_card
from shared.errors import SetupError
from shared.model_name import ModelName
from shared.registry import Registry

#: Larger files come from a store that is mounted on the workers.
MAX_COPY_BYTES = 16 << 20
PRODUCTION = "production"


def publish(client: redis.Redis, registry: Registry) -> None:
    """Put every version and alias of the store into Redis. Raises RedisError."""
    for name in registry.names():
        for version in registry.versions(name):
            if not _is_packaged(name, version):
                _publish_version(client, registry, registry.card(name, version))
        aliases = registry.aliases(name)
        if aliases:
            client.hset(keys.model_aliases(name), mapping={a: str(v) for a, v in aliases.items()})


def resolve(client: redis.Redis, model: ModelName) -> Card:
    """The card of the version that a name stands for at this moment.

    Raises:
        SetupError: there is no such version or alias; the message lists what there is.
        redis.exceptions.RedisError: the server is away.
    """
    version = model.version
    if version is None:
        version = _alias(client, model.name, model.alias or PRODUCTION)
    return load_card(client, model.name, version)


def load_card(client: redis.Redis, name: str, version: int) -> Card:
    """The card of a version. Raises SetupError, RedisError."""
    if _is_packaged(name, version):
        return pretrained.card()
    data = cast(bytes | None, client.get(keys.model_card(name, version)))
    if data is None:
        raise SetupError(f"there is no model {name}@{version}; there is: {_what_there_is(client)}")
    return decode_card(data)


def load_file(client: redis.Redis, card: Card, filename: str) -> bytes:
    """A file of a version, verified against its card.

    Raises:
        SetupError: it is nowhere to be had, or is not what the card says.
        redis.exceptions.RedisError: the server is away.
    """
    if _is_packaged(card.name, card.version):
        return pretrained.read(filename)
    sha256 = card.files.get(filename)
    if sha256 is None:
        raise SetupError(f"{card.ref} has no {filename}; choose another --runtime")
    data = cast(bytes | None, client.get(keys.blob(sha256)))
    if data is None:
        raise SetupError(f"{filename} of {card.ref} is not in Redis; start the store's owner")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SetupError(f"{filename} of {card.ref} is not what its card says; publish it again")
    return data


def card_sha256(card: Card) -> str:
    """What a job is pinned to: the card names the sha256 of every other file."""
    return hashlib.sha256(encode_card(card)).hexdigest()


def _is_packaged(name: str, version: int) -> bool:
    """Whether everybody has this version, in the package."""
    return (name, version) == (pretrained.NAME, pretrained.VERSION)


def _publish_version(client: redis.Redis, registry: Registry, card: Card) -> None:
    for filename, sha256 in card.files.items():
        if not filename.endswith((".tflite", ".keras")) or client.exists(keys.blob(sha256)):
            continue
        data = registry.read(card, filename)
        if len(data) <= MAX_COPY_BYTES:
            client.set(keys.blob(sha256), data)
    client.set(keys.model_card(card.name, card.version), encode_card(card))


def _alias(client: redis.Redis, name: str, alias: str) -> int:
    version = cast(bytes | None, client.hget(keys.model_aliases(name), alias))
    if version is not None:
        return int(version)
    if (name, alias) == (pretrained.NAME, PRODUCTION):
        return pretrained.VERSION
    raise SetupError(f"there is no model {name}@{alias}; there is: {_what_there_is(client)}")


def _what_there_is(client: redis.Redis) -> str:
    prefix = keys.MODELS
    found = (key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*"))
    copies = sorted("@".join(key.rsplit(":", 1)) for key in found)
    return ", ".join([f"{pretrained.NAME}@{pretrained.VERSION}", *copies])
