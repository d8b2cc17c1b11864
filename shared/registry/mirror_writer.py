"""Writes the serving copies of a store to Redis.

The owner of a store does so when a version is published or an alias moves, and on a timer, since
Redis may lose them. Several processes may own one store; one with an older state changes nothing.
A file is in Redis once for all versions that have it, as long as the card of one of them is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple, cast

import msgspec
import redis
from redis.client import Pipeline

from shared import keys
from shared.errors import BadMessage, BrokerRefuses, ForeignKey, SetupError
from shared.failpoints import failpoint
from shared.ledger.jobs import memory_limit, pins
from shared.messages.model_card import Card, decode_card, encode_card
from shared.registry import file_copies, learned_lines, packaged
from shared.registry.alias_log import AliasChange, aliases_after, decode_history
from shared.registry.registry import Registry
from shared.runtimes import BACKBONE_SUFFIX, OUTLIERS, RUNTIMES, TENSORFLOW

log = logging.getLogger(__name__)
#: All plots and figures of a model, newest versions first. The figures of 1,000 classes on held-out
#: and test images are 6 MB.
MAX_PICTURES_BYTES = 16 << 20
#: The ends of the names of what workers load: the files of each runtime, backbones, and the
#: detector of images unlike the others.
SERVED = (
    *(row.artifact for row in RUNTIMES.values()),
    *(row.beside for row in RUNTIMES.values() if row.beside),
    BACKBONE_SUFFIX,
    OUTLIERS,
)
#: Plots, figures, and the labels that people gave.
DISPLAYED = (".png", "evaluation.json", learned_lines.FILE, learned_lines.OLD_FILE)


class Incomplete(SetupError):
    """Some of a store has no copy. `faults` says why, each with what to do; the text is the first
    of them."""

    def __init__(self, faults: Sequence[SetupError]) -> None:
        super().__init__(str(faults[0]))
        self.faults = tuple(faults)


class _Copy(NamedTuple):
    """A file of a version, as it is to be in Redis."""

    card: Card
    filename: str
    sha256: str
    size: int

    @property
    def is_displayed(self) -> bool:
        return self.filename.endswith(DISPLAYED)

    def lacks_room(self, error: file_copies.NoRoom) -> SetupError:
        return SetupError(f"{self.filename} of {self.card.ref}: {error}")


def publish(client: redis.Redis, registry: Registry) -> None:
    """Copy every version and alias of the store to Redis, and delete what nothing needs any more.

    Raises:
        Incomplete: a version is damaged, or Redis has no room for one of its files; all others are
            copied nevertheless.
        BrokerRefuses: Redis denies access; the rest is not copied.
        redis.exceptions.RedisError: the server is unreachable.
    """
    stored = file_copies.stored_keys(client)  # before the store: a version is there before its copy
    faults: list[SetupError] = []
    cards = list(_cards(registry, faults))
    copies = _with_room(client, _wanted(client, registry, cards, faults), faults)
    _delete_unneeded(client, registry, cards, copies, stored)  # first: Redis may be full
    damaged = _store(client, registry, copies, stored, faults)
    for card in cards:
        if card.ref not in damaged:
            _put_card(client, registry, card, faults)
    for name in registry.folders():  # also of removed models
        _put_history(client, name, registry.history(name))
    _delete_unneeded(client, registry, cards, copies, stored)  # to which an alias led until now
    if faults:
        raise Incomplete(faults)


def refresh(client: redis.Redis, registry: Registry) -> None:
    """Like `publish`, but a damaged version is only logged: the caller's work has succeeded.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
    """
    try:
        publish(client, registry)
    except SetupError as error:
        log.warning("not all versions of %s are published: %s", registry.root, error)


def _cards(registry: Registry, faults: list[SetupError]) -> Iterator[Card]:
    """The cards of all versions but the packaged one, which is part of every installation."""
    for name, numbers in registry.numbers().items():
        for version in numbers:
            with _collected(faults):
                if not packaged.is_packaged(name, version):
                    yield registry.card(name, version)


@contextmanager
def _collected(faults: list[SetupError]) -> Iterator[None]:
    try:
        yield
    except BrokerRefuses:  # of any version
        raise
    except SetupError as error:
        faults.append(error)


def _wanted(
    client: redis.Redis, registry: Registry, cards: list[Card], faults: list[SetupError]
) -> list[_Copy]:
    """The copies, the most needed first: of versions that an alias or a job leads to, then of the
    newest; what most workers load before files of TensorFlow, the largest; plots at the end."""
    used = {f"{pin.name}@{pin.version}" for _, pin in pins(client)}
    for name in registry.names():
        used |= {f"{name}@{version}" for version in registry.aliases(name).values()}
    copies = list[_Copy]()
    left: dict[str, int] = {}  # bytes that pictures of a model may still take
    for card in sorted(cards, key=lambda card: (card.created, card.version), reverse=True):
        with _collected(faults):
            for copy in _copies(registry, card):
                size = copy.size if copy.is_displayed else 0
                if size <= left.get(card.name, MAX_PICTURES_BYTES):
                    left[card.name] = left.get(card.name, MAX_PICTURES_BYTES) - size
                    copies.append(copy)

    def place(copy: _Copy) -> tuple[bool, ...]:
        is_large = copy.filename == TENSORFLOW.artifact
        return copy.is_displayed, copy.card.ref not in used, is_large

    return sorted(copies, key=place)  # of equal places the newest stays the first


def _copies(registry: Registry, card: Card) -> Iterator[_Copy]:
    sizes = registry.sizes(card)
    for filename, sha256 in card.files.items():
        if filename.endswith(SERVED) or (filename.endswith(DISPLAYED) and filename in sizes):
            yield _Copy(card, filename, sha256, sizes.get(filename, 0))


def _with_room(client: redis.Redis, copies: list[_Copy], faults: list[SetupError]) -> list[_Copy]:
    """Those that fit together into the share of Redis' memory for copies."""
    share = file_copies.COPIES_SHARE_MAX
    left = share * memory_limit(client.info("memory"))
    fitting = dict[str, list[_Copy]]()  # by hash
    for copy in copies:
        if copy.sha256 not in fitting:
            if file_copies.ALLOCATED * copy.size > left:
                where = f"the {share:.0%} of Redis' memory that copies of models may take"
                faults.append(copy.lacks_room(file_copies.NoRoom(copy.size, where)))
                continue
            left -= file_copies.ALLOCATED * copy.size
        fitting.setdefault(copy.sha256, []).append(copy)
    return [copy for shared in fitting.values() for copy in shared]


def _store(
    client: redis.Redis,
    registry: Registry,
    copies: list[_Copy],
    stored: set[str],
    faults: list[SetupError],
) -> set[str]:
    """Store what is not stored; returns the versions with a damaged file, which get no card."""
    damaged = set[str]()
    for copy in copies:
        parts = file_copies.part_keys(copy.sha256, copy.size)
        if stored.issuperset(parts):
            continue
        opened = partial(registry.opened, copy.card, copy.filename)
        try:
            file_copies.store(client, copy.sha256, copy.size, opened, stored)
            stored.update(parts)
        except file_copies.NoRoom as error:  # other runtimes may not need this file
            faults.append(copy.lacks_room(error))
        except BrokerRefuses:
            raise
        except SetupError as error:
            faults.append(error)
            damaged |= set() if copy.is_displayed else {copy.card.ref}
    return damaged


def _put_card(
    client: redis.Redis, registry: Registry, card: Card, faults: list[SetupError]
) -> None:
    with _collected(faults):
        sizes = msgspec.json.encode(registry.sizes(card))
        client.hset(keys.model_sizes(card.name), str(card.version), sizes)
        failpoint("copies.sizes-put")
        client.set(keys.model_card(card.name, card.version), encode_card(card))
        failpoint("copies.card-put")


def _put_history(client: redis.Redis, name: str, history: list[AliasChange]) -> None:
    """Copy the decisions on aliases, unless Redis has later ones from another process."""
    key = keys.model_history(name)

    def change(pipe: Pipeline) -> None:
        """Queue the command, unless the stored history continues this one."""
        stored = decode_history(cast(bytes | None, pipe.get(key)))
        pipe.multi()
        if stored[: len(history)] != history:
            pipe.set(key, msgspec.json.encode(history))

    if history:
        client.transaction(change, key)
        failpoint("copies.aliases-put")


def _delete_unneeded(
    client: redis.Redis,
    registry: Registry,
    cards: list[Card],
    copies: list[_Copy],
    stored: set[str],
) -> None:
    """Delete the cards of removed versions, and of what is `stored` the files of no card, and those
    for which there is no room any more."""
    for name in registry.folders():
        _delete_cards(client, registry, name)
    needed = {copy.sha256 for copy in copies}
    needed |= _hashes_elsewhere(client, {card.ref for card in cards})
    unneeded = [key for key in stored if file_copies.sha256_of(key) not in needed]
    if unneeded:
        client.delete(*unneeded)
        stored.difference_update(unneeded)


def _delete_cards(client: redis.Redis, registry: Registry, name: str) -> None:
    """Delete the cards of removed versions, unless an alias in Redis still leads to them: jobs
    start with it."""
    history = decode_history(cast(bytes | None, client.get(keys.model_history(name))))
    led_to = aliases_after(name, history).values()
    for version in registry.removed(name):
        if version in led_to or version in registry.versions(name):
            continue  # the last: it has appeared meanwhile
        if client.delete(keys.model_card(name, version)):
            failpoint("copies.card-removed")
            client.hdel(keys.model_sizes(name), str(version))


def _hashes_elsewhere(client: redis.Redis, here: Iterable[str]) -> set[str]:
    """The hashes of the files of cards in Redis other than those of the versions `here`: of another
    store, of a removed version that an alias leads to, or of one that is damaged in this store."""
    hashes = set[str]()
    for key in client.scan_iter(f"{keys.MODELS}*"):
        name, _, version = key.decode().removeprefix(keys.MODELS).rpartition(":")
        if f"{name}@{version}" not in here:
            with suppress(BadMessage, ForeignKey):  # which must not stop the others
                card = decode_card(cast(bytes, client.get(key)) or b"")
                hashes |= {*card.files.values()}
    return hashes
