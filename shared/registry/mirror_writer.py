"""Serving copies, as the owner of a store puts them into Redis.

That happens when a version is published or an alias moved, and again on a timer, since Redis may
lose them. Several processes may own one store; whoever knows less changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

import msgspec
import redis
from redis.client import Pipeline

from shared import keys
from shared.errors import BadMessage, SetupError
from shared.failpoints import failpoint
from shared.messages.model_card import Card, decode_card, encode_card
from shared.registry import packaged
from shared.registry.alias_log import Decision, decode_history
from shared.registry.registry import Registry, aliases_after

log = logging.getLogger(__name__)
#: Larger files come from a store that is mounted on the workers.
MAX_COPY_BYTES = 16 << 20
#: What somebody wants to look at: of one picture, and of one model, the newest versions first.
MAX_PICTURE_BYTES = 1 << 20
MAX_PICTURES_BYTES = 16 << 20
#: Pictures that are no longer among the newest go after this long.
PICTURE_TTL_S = 86_400
SERVED = (".tflite", ".keras")
PICTURE = ".png"


def publish(client: redis.Redis, registry: Registry) -> None:
    """Put every version and alias of the store into Redis, and take out what was removed.

    Raises:
        SetupError: a version is damaged; all the others are there nevertheless.
        redis.exceptions.RedisError: the server is away.
    """
    faults: list[SetupError] = []
    cards: list[Card] = []
    for name in registry.names():
        of_name = list(_cards(registry, name, faults))
        for card in of_name:
            with _noted(faults):
                _put_version(client, registry, card)
        with _noted(faults):
            _put_pictures(client, registry, of_name)
        _put_aliases(client, name, registry.history(name))
        cards += of_name
    if faults:
        raise faults[0]  # what a damaged card lists is not known, so nothing is taken out
    _take_out(client, registry, cards)


def refresh(client: redis.Redis, registry: Registry) -> None:
    """`publish`, where something else has just been done well: a damaged version is logged.

    Raises:
        redis.exceptions.RedisError: the server is away.
    """
    try:
        publish(client, registry)
    except SetupError as error:
        log.warning("not all of %s is published: %s", registry.root, error)


def _cards(registry: Registry, name: str, faults: list[SetupError]) -> Iterator[Card]:
    for version in registry.versions(name):
        with _noted(faults):
            yield registry.card(name, version)


@contextmanager
def _noted(faults: list[SetupError]) -> Iterator[None]:
    try:
        yield
    except SetupError as error:
        faults.append(error)


def _put_version(client: redis.Redis, registry: Registry, card: Card) -> None:
    if (card.name, card.version) == (packaged.NAME, packaged.VERSION):
        return  # everybody has it
    for filename, sha256 in card.files.items():
        if not filename.endswith(SERVED) or client.exists(keys.blob(sha256)):
            continue
        data = registry.read(card, filename)
        if len(data) <= MAX_COPY_BYTES:
            client.set(keys.blob(sha256), data)
            failpoint("copies.file-put")
    sizes = msgspec.json.encode(registry.sizes(card))
    client.hset(keys.model_sizes(card.name), str(card.version), sizes)
    failpoint("copies.sizes-put")
    client.set(keys.model_card(card.name, card.version), encode_card(card))
    failpoint("copies.card-put")


def _put_pictures(client: redis.Redis, registry: Registry, cards: list[Card]) -> None:
    room = MAX_PICTURES_BYTES
    for card in reversed(cards):
        sizes = registry.sizes(card)
        pictures = [n for n, size in sizes.items() if _is_picture(n) and size <= MAX_PICTURE_BYTES]
        room -= sum(sizes[filename] for filename in pictures)
        if room < 0:
            return
        for filename in pictures if card.ref != packaged.card().ref else ():
            key = keys.blob(card.files[filename])
            if not client.expire(key, PICTURE_TTL_S):
                client.set(key, registry.read(card, filename), ex=PICTURE_TTL_S)
                failpoint("copies.picture-put")


def _is_picture(filename: str) -> bool:
    return filename.endswith(PICTURE)


def _put_aliases(client: redis.Redis, name: str, history: list[Decision]) -> None:
    """Unless Redis knows of later decisions: another process has read the log after us."""
    key = keys.model_history(name)

    def change(pipe: Pipeline) -> None:
        known = decode_history(cast(bytes | None, pipe.get(key)))
        pipe.multi()
        if known[: len(history)] != history or len(known) == len(history):
            aliases = aliases_after(name, history)
            pipe.hset(keys.model_aliases(name), mapping={a: str(v) for a, v in aliases.items()})
            pipe.set(key, msgspec.json.encode(history))

    if history:
        client.transaction(change, key)
        failpoint("copies.aliases-put")


def _take_out(client: redis.Redis, registry: Registry, cards: list[Card]) -> None:
    needed = {sha256 for card in cards for sha256 in card.files.values()}
    for name in registry.names():
        for version in registry.removed(name):
            key = keys.model_card(name, version)
            data = cast(bytes | None, client.get(key))
            if data is None or version in registry.versions(name):
                continue  # not there, or it has come into being since
            client.delete(key)
            failpoint("copies.card-removed")
            client.hdel(keys.model_sizes(name), str(version))
            for sha256 in _listed(data) - needed:
                client.delete(keys.blob(sha256))


def _listed(data: bytes) -> set[str]:
    """The files of a card; none where it cannot be read, by which nothing good must fail."""
    with suppress(BadMessage):
        return set(decode_card(data).files.values())
    return set()
