"""Writes the serving copies of a store to Redis.

The owner of a store does so when a version is published or an alias moves, and on a timer, since
Redis may lose them. Several processes may own one store; one with an older state changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import cast

import msgspec
import redis
from redis.client import Pipeline

from shared import keys
from shared.errors import BadMessage, BrokerRefuses, SetupError
from shared.failpoints import failpoint
from shared.messages.model_card import Card, decode_card, encode_card
from shared.registry import file_copies, packaged
from shared.registry.alias_log import Decision, aliases_after, decode_history
from shared.registry.registry import Registry

log = logging.getLogger(__name__)
#: Limits for one and for all plots and figures of a model, newest versions first. The figures of
#: 1,000 classes on held-out and test images are 6 MB.
MAX_PICTURE_BYTES = 8 << 20
MAX_PICTURES_BYTES = 16 << 20
#: Those that are no longer among the newest expire after this time.
PICTURE_TTL_S = 86_400
SERVED = (".tflite", ".keras", "outliers.npz")
#: Plots and figures.
DISPLAYED = (".png", "evaluation.json")


def publish(client: redis.Redis, registry: Registry) -> None:
    """Copy every version and alias of the store to Redis, and delete removed versions.

    Raises:
        SetupError: a version is damaged, or Redis has no room for one of its files; all others are
            copied nevertheless.
        BrokerRefuses: Redis denies access; the rest is not copied.
        redis.exceptions.RedisError: the server is unreachable.
    """
    faults: list[SetupError] = []
    too_large: list[SetupError] = []
    cards: list[Card] = []
    for name in registry.names():
        of_name = list(_cards(registry, name, faults))
        for card in of_name:
            with _collected(faults):
                _put_version(client, registry, card, too_large)
        with _collected(faults):
            _put_displayed(client, registry, of_name)
        cards += of_name
    for name in registry.folders():  # also of removed models
        _put_aliases(client, name, registry.history(name))
    if not faults:  # the files of a damaged card are unknown, so no file is deleted
        _delete_removed(client, registry, cards)
    for fault in faults + too_large:
        raise fault


def is_mirrored(filename: str) -> bool:
    """Whether a file is copied, as far as there is room; all others stay in the store."""
    return filename.endswith(SERVED + DISPLAYED)


def refresh(client: redis.Redis, registry: Registry) -> None:
    """Like `publish`, but a damaged version is only logged: the caller's work has succeeded.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
    """
    try:
        publish(client, registry)
    except SetupError as error:
        log.warning("not all versions of %s are published: %s", registry.root, error)


def _cards(registry: Registry, name: str, faults: list[SetupError]) -> Iterator[Card]:
    for version in registry.versions(name):
        with _collected(faults):
            yield registry.card(name, version)


@contextmanager
def _collected(faults: list[SetupError]) -> Iterator[None]:
    try:
        yield
    except BrokerRefuses:  # of any version
        raise
    except SetupError as error:
        faults.append(error)


def _put_version(
    client: redis.Redis, registry: Registry, card: Card, too_large: list[SetupError]
) -> None:
    if packaged.is_packaged(card.name, card.version):
        return  # part of every installation
    sizes = registry.sizes(card)
    for filename, sha256 in card.files.items():
        if filename.endswith(SERVED) and not file_copies.is_stored(client, sha256):
            opened = partial(registry.opened, card, filename)
            try:
                file_copies.store(client, sha256, sizes.get(filename, 0), opened)
            except file_copies.NoRoom as error:  # other runtimes may not need this file
                too_large.append(SetupError(f"{filename} of {card.ref}: {error}"))
    client.hset(keys.model_sizes(card.name), str(card.version), msgspec.json.encode(sizes))
    failpoint("copies.sizes-put")
    client.set(keys.model_card(card.name, card.version), encode_card(card))
    failpoint("copies.card-put")


def _put_displayed(client: redis.Redis, registry: Registry, cards: list[Card]) -> None:
    room = MAX_PICTURES_BYTES
    for card in reversed(cards):
        sizes = registry.sizes(card)
        shown = {n: size for n, size in sizes.items() if n.endswith(DISPLAYED)}
        small = [filename for filename, size in shown.items() if size <= MAX_PICTURE_BYTES]
        room -= sum(sizes[filename] for filename in small)
        if room < 0:
            return
        for filename in small if card.ref != packaged.card().ref else ():
            key = keys.blob(card.files[filename])
            if not client.expire(key, PICTURE_TTL_S):
                client.set(key, registry.read(card, filename), ex=PICTURE_TTL_S)
                failpoint("copies.picture-put")


def _put_aliases(client: redis.Redis, name: str, history: list[Decision]) -> None:
    """Copy the aliases, unless Redis has later decisions from another process."""
    key = keys.model_history(name)

    def change(pipe: Pipeline) -> None:
        known = decode_history(cast(bytes | None, pipe.get(key)))
        pipe.multi()
        if known[: len(history)] != history or len(known) == len(history):
            aliases = aliases_after(name, history)
            pipe.delete(keys.model_aliases(name))  # in the same transaction
            if aliases:
                pipe.hset(keys.model_aliases(name), mapping={a: str(v) for a, v in aliases.items()})
            pipe.set(key, msgspec.json.encode(history))

    if history:
        client.transaction(change, key)
        failpoint("copies.aliases-put")


def _delete_removed(client: redis.Redis, registry: Registry, cards: list[Card]) -> None:
    needed = {sha256 for card in cards for sha256 in card.files.values()}
    for name in registry.folders():
        for version in registry.removed(name):
            key = keys.model_card(name, version)
            data = cast(bytes | None, client.get(key))
            if data is None or version in registry.versions(name):
                continue  # no copy, or the version has appeared since
            of_files = (file_copies.keys_of(client, sha) for sha in _listed(data) - needed)
            client.delete(key, *chain.from_iterable(of_files))
            failpoint("copies.card-removed")
            client.hdel(keys.model_sizes(name), str(version))


def _listed(data: bytes) -> set[str]:
    """The hashes of a card's files; none if it is unreadable, which must not stop the others."""
    with suppress(BadMessage):
        return set(decode_card(data).files.values())
    return set()
