"""Which leftover keys in Redis the fault tests report, and which they accept."""

from __future__ import annotations

import msgspec
import pytest

from shared import keys
from shared.messages.model_card import encode_card
from shared.registry import packaged
from tests.support.servers.leftover_keys import BINDINGS, leftovers
from tests.support.servers.redis_server import RedisServer

CARD = msgspec.structs.replace(packaged.card(), name="shapes", version=1)
FILE = next(iter(CARD.files.values()))


@pytest.mark.parametrize(
    "key",
    [keys.job("abcdefgh", "done"), keys.JOBS, keys.CLASSIFY_QUEUE, keys.blob("0" * 64),
     keys.model_sizes("gone"), keys.model_aliases("gone"), keys.model_history("gone"),
     f"{BINDINGS}of-another-queue", keys.worker("without-an-end"), "not-ours"],
)  # fmt: skip
def test_an_unaccounted_key_is_found(server: RedisServer, key: str) -> None:
    server.client.set(key, "x")
    assert leftovers(server.client) == [key]


def test_a_heartbeat_that_lasts_for_an_hour_is_found(server: RedisServer) -> None:
    server.client.set(keys.worker("one"), "x", ex=3600)
    assert leftovers(server.client) == [keys.worker("one")]


def test_workers_and_models_account_for_their_keys(server: RedisServer) -> None:
    client = server.client
    client.set(f"{BINDINGS}{keys.CLASSIFY_QUEUE}", "x")
    client.set(f"{BINDINGS}permanent:{keys.TRAIN_QUEUE}", "x")
    client.zadd(keys.WORKERS, {"one": 1.0})
    client.set(keys.worker("one"), "x", ex=2)
    client.set(keys.model_card("shapes", 1), encode_card(CARD))
    client.set(keys.blob(FILE), "x")
    for name in ("shapes", packaged.NAME):
        client.set(keys.model_aliases(name), "x")
    assert leftovers(client) == []
