"""The reason that is reported when a server refuses writes."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError, OutOfMemoryError, RedisError, ResponseError

from shared.broker.access_errors import write_refusal

DISK = "MISCONF Errors writing to the AOF file: No space left on device"
SNAPSHOT = "MISCONF Redis is configured to save RDB snapshots, but is unable to"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OutOfMemoryError("command not allowed"), "Redis' memory is full"),
        (ResponseError(DISK), "Redis' disk is full"),
        (ResponseError(f"Command # 1 (HSET a b) of pipeline caused error: {DISK}"), "disk is full"),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), "has too few replicas"),
        (ConnectionError("max number of clients reached"), "(its maxclients is reached)"),
        (ResponseError(SNAPSHOT), f"Redis cannot write its files ({SNAPSHOT})"),
    ],
)
def test_the_reason_of_a_refusal_names_the_full_resource(error: RedisError, why: str) -> None:
    assert why in write_refusal(error)
