"""Writes the serving copies of a store to Redis.

The owner of a store does so when a version is published or an alias moves, and on a timer, since
Redis may lose them. Several processes may own one store; one with an older state changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
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
from shared.registry import file_copies, learned_corrections, packaged
from shared.registry.alias_log import AliasChange, aliases_after, decode_history
from shared.registry.registry import Registry
from shared.runtimes import BACKBONE_SUFFIX, OUTLIERS, RUNTIMES

log = logging.getLogger(__name__)
#: Limits for one and for all plots and figures of a model, newest versions first. The figures of
#: 1,000 classes on held-out and test images are 6 MB.
MAX_PICTURE_BYTES = 8 << 20
MAX_PICTURES_BYTES = 16 << 20
#: Those that are no longer among the newest expire after this time.
PICTURE_TTL_S = 86_400
#: The ends of the names of what workers load: the files of each runtime, backbones, and the
#: detector of images unlike the others.
SERVED = (
    *(row.artifact for row in RUNTIMES.values()),
    *(row.beside for row in RUNTIMES.values() if row.beside),
    BACKBONE_SUFFIX,
    OUTLIERS,
)
#: Plots, figures, and the labels that people gave.
DISPLAYED = (".png", "evaluation.json", learned_corrections.FILE)


class Incomplete(SetupError):
    """Some of a store has no copy. `faults` says why, each with what to do; the text is the first
    of them."""

    def __init__(self, faults: Sequence[SetupError]) -> None:
        super().__init__(str(faults[0]))
        self.faults = tuple(faults)


def publish(client: redis.Redis, registry: Registry) -> None:
    """Copy every version and alias of the store to Redis, and delete removed versions.

    Raises:
        Incomplete: a version is damaged, or Redis has no room for one of its files; all others are
            copied nevertheless.
        BrokerRefuses: Redis denies access; the rest is not copied.
        redis.exceptions.RedisError: the server is unreachable.
    """
    faults: list[SetupError] = []
    too_large: list[SetupError] = []
    models = {name: list(_cards(registry, name, faults)) for name in registry.names()}
    cards = list(chain.from_iterable(models.values()))
    complete = not faults  # the files of a damaged card are unknown, so no file is deleted
    if complete:
        _delete_removed(client, registry, cards, faults)  # first: it may be full
    stored: dict[str, int] = {}  # hash -> bytes
    sound: list[Card] = []
    for card in cards:
        with _collected(faults):
            stored |= _stored(client, registry, card)
            sound.append(card)
    for card in sound:
        with _collected(faults):
            _put_version(client, registry, card, stored, too_large)
    for of_model in models.values():
        with _collected(faults):
            _put_displayed(client, registry, of_model, stored, too_large)
    for name in registry.folders():  # also of removed models
        _put_aliases(client, name, registry.history(name))
    if complete:
        _delete_removed(client, registry, cards, faults)  # to which an alias led until now
    if faults or too_large:
        raise Incomplete(faults + too_large)


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


def _stored(client: redis.Redis, registry: Registry, card: Card) -> dict[str, int]:
    """Hash -> bytes of the files of a version that are copied already."""
    if packaged.is_packaged(card.name, card.version):
        return {}
    sizes = registry.sizes(card)
    copied = {sha: sizes.get(name, 0) for name, sha in card.files.items() if is_mirrored(name)}
    return {sha: size for sha, size in copied.items() if file_copies.is_stored(client, sha)}


def _put_version(
    client: redis.Redis,
    registry: Registry,
    card: Card,
    stored: dict[str, int],
    too_large: list[SetupError],
) -> None:
    if packaged.is_packaged(card.name, card.version):
        return  # part of every installation
    sizes = registry.sizes(card)
    served = {name: sha256 for name, sha256 in card.files.items() if name.endswith(SERVED)}
    for filename, sha256 in served.items():
        if sha256 not in stored:
            opened = partial(registry.opened, card, filename)
            size = sizes.get(filename, 0)
            others, share = sum(stored.values()), _share(filename)
            try:
                file_copies.store(client, sha256, size, opened, others, share)
                stored[sha256] = size
            except file_copies.NoRoom as error:  # other runtimes may not need this file
                too_large.append(SetupError(f"{filename} of {card.ref}: {error}"))
    client.hset(keys.model_sizes(card.name), str(card.version), msgspec.json.encode(sizes))
    failpoint("copies.sizes-put")
    client.set(keys.model_card(card.name, card.version), encode_card(card))
    failpoint("copies.card-put")


def _share(filename: str) -> float:
    """The share of Redis' memory that all copies may have with a file of this name."""
    shares = [row.copies_share for row in RUNTIMES.values() if row.artifact == filename]
    return min(shares, default=file_copies.COPIES_SHARE_MAX)


def _put_displayed(
    client: redis.Redis,
    registry: Registry,
    cards: list[Card],
    stored: dict[str, int],
    too_large: list[SetupError],
) -> None:
    left = MAX_PICTURES_BYTES
    for card in reversed(cards):
        sizes = registry.sizes(card)
        shown = {n: size for n, size in sizes.items() if n.endswith(DISPLAYED)}
        small = [filename for filename, size in shown.items() if size <= MAX_PICTURE_BYTES]
        left -= sum(sizes[filename] for filename in small)
        if left < 0:
            return
        for filename in small if card.ref != packaged.card().ref else ():
            try:
                _put_picture(client, registry, card, filename, sum(stored.values()))
            except file_copies.NoRoom as error:
                too_large.append(SetupError(f"{filename} of {card.ref}: {error}"))
                return
            stored[card.files[filename]] = sizes[filename]


def _put_picture(
    client: redis.Redis, registry: Registry, card: Card, filename: str, others: int
) -> None:
    """Copy a picture for a time, or keep its copy for longer. `others` are the bytes of all other
    copies."""
    key = keys.blob(card.files[filename])
    if client.expire(key, PICTURE_TTL_S):  # there is one
        return
    data = registry.read(card, filename)
    with file_copies.room(client, len(data), others, _share(filename)):
        client.set(key, data, ex=PICTURE_TTL_S)
    failpoint("copies.picture-put")


def _put_aliases(client: redis.Redis, name: str, history: list[AliasChange]) -> None:
    """Copy the aliases, unless Redis has later decisions from another process."""
    key = keys.model_history(name)

    def change(pipe: Pipeline) -> None:
        """Queue the commands, unless the stored history continues this one. An equal one is
        written again, with its aliases, which may be lost."""
        stored = decode_history(cast(bytes | None, pipe.get(key)))
        pipe.multi()
        is_later = len(stored) > len(history) and stored[: len(history)] == history
        if not is_later:
            aliases = aliases_after(name, history)
            pipe.delete(keys.model_aliases(name))  # in the same transaction
            if aliases:
                pipe.hset(keys.model_aliases(name), mapping={a: str(v) for a, v in aliases.items()})
            pipe.set(key, msgspec.json.encode(history))

    if history:
        client.transaction(change, key)
        failpoint("copies.aliases-put")


def _delete_removed(
    client: redis.Redis, registry: Registry, cards: list[Card], faults: list[SetupError]
) -> None:
    """Delete removed versions, unless an alias in Redis still leads to them: jobs start with it."""
    needed = {sha256 for card in cards for sha256 in card.files.values()}
    for name in registry.folders():
        led_to = set(client.hgetall(keys.model_aliases(name)).values())
        for version in registry.removed(name):
            key = keys.model_card(name, version)
            data = cast(bytes | None, client.get(key))
            if data is None or version in registry.versions(name):
                continue  # Redis has no copy of it, or the store has the version again
            if str(version).encode() in led_to:
                continue
            with _collected(faults):
                of_files = [file_copies.keys_of(client, sha) for sha in _listed(data) - needed]
                client.delete(key, *chain.from_iterable(of_files))
                failpoint("copies.card-removed")
                client.hdel(keys.model_sizes(name), str(version))


def _listed(data: bytes) -> set[str]:
    """Hashes of a version's files; none if the card is unreadable: it must not stop the others."""
    with suppress(BadMessage):
        return set(decode_card(data).files.values())
    return set()
