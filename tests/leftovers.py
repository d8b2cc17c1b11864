"""What a server holds that nobody needs any more: after a job there must be nothing."""

from __future__ import annotations

import redis

from shared import heartbeat, keys
from tests import proc
from tests.fleet import wait_for

#: What stays while workers and models are there, however many jobs come and go: beginnings of keys.
STANDING = (
    keys.WORKERS,
    *(f"{keys.PREFIX}{k}:" for k in ("binding", "model", "aliases", "history", "sizes", "blob")),
)
#: The heartbeat of a killed worker expires, and hints that came twice are taken by somebody.
WITHIN_S = 40.0


def leftovers(client: redis.Redis) -> list[str]:
    """The keys that neither a living worker nor a model accounts for."""
    alive = {keys.worker(b.id) for b in heartbeat.alive(client) if proc.is_alive(b.pid)}
    found = {key.decode(errors="replace") for key in client.scan_iter("*")}
    return sorted(key for key in found - alive if not key.startswith(STANDING))


def check_none(client: redis.Redis) -> None:
    """Redis is as it was before the job. Raises AssertionError if it is not, also after a while."""
    last: list[str] = []

    def look() -> bool:
        last[:] = leftovers(client)
        return not last

    try:
        wait_for("a server without leftovers", look, WITHIN_S, poll_s=0.05)
    except AssertionError:
        raise AssertionError(f"keys are left: {last}") from None
