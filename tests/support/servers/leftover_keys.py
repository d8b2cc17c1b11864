"""Keys of a server that nothing needs; after a job there must be none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import redis

from shared import keys
from shared.errors import BadMessage
from shared.messages.model_card import decode_card
from shared.registry import packaged
from shared.settings import Settings
from tests.support.processes.fleet import wait_for

#: Prefixes of the keys of models.
OF_MODELS = tuple(f"{keys.PREFIX}{k}:" for k in ("model", "history", "sizes", "blob"))
#: Within this time a worker takes duplicate hints.
WITHIN_S = 10.0


def leftovers(client: redis.Redis) -> list[str]:
    """The keys that belong neither to a live worker nor to a model."""
    found = {key.decode(errors="replace") for key in client.scan_iter("*")}
    return sorted(found - {keys.WORKERS, *_beats(client, found), *_models(client)})


def _beats(client: redis.Redis, found: set[str]) -> Iterator[str]:
    """Heartbeats that expire in time, of live and of killed workers."""
    longest_s = Settings().heartbeat_ttl_s
    beats = (key for key in found if key.startswith(keys.worker("")))
    return (key for key in beats if 0 < client.pttl(key) <= 1000 * longest_s)


def _models(client: redis.Redis) -> Iterator[str]:
    """The keys of each version with a card, and of its files."""
    names = {packaged.NAME}
    for key in client.scan_iter(f"{keys.MODELS}*"):
        yield key.decode()
        names.add(key.decode().removeprefix(keys.MODELS).rpartition(":")[0])
        try:
            card = decode_card(cast(bytes, client.get(key)) or b"")
        except BadMessage:
            continue  # a test has damaged the card, so its files are unknown
        yield from map(keys.blob, card.files.values())
    for name in names:
        yield from (f(name) for f in (keys.model_history, keys.model_sizes))


def check_none(client: redis.Redis) -> None:
    """Wait until Redis has no leftover keys. Raises AssertionError on a timeout."""
    last: list[str] = []

    def poll() -> bool:
        last[:] = leftovers(client)
        return not last

    try:
        wait_for("a server without leftovers", poll, WITHIN_S, poll_s=0.05)
    except AssertionError:
        raise AssertionError(f"keys are left: {last}") from None
