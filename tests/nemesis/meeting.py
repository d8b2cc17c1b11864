"""Meeting a process with a batch in hand, while the server may be away."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress

from redis.exceptions import RedisError

from shared import keys
from tests.nemesis.scenario import Scene
from tests.support.jobs.claims import Held, claims
from tests.support.processes import procfs

#: A victim with a batch in hand is looked for this long. A claim lasts milliseconds here.
MEET_S = 2.0
#: So many deaths of one batch at most: from the second on images are done one by one, and one
#: that is met twice with a dying child is taken to be the cause.
DEATHS_MAX = 3


def meet(scene: Scene, pids: Collection[int]) -> Held | None:
    """Stop one of these processes while it holds a live claim; None if none is met so in time."""
    deadline = time.monotonic() + MEET_S
    while time.monotonic() < deadline:
        with suppress(RedisError, ProcessLookupError):
            for held in claims(scene.client):
                if held.child in pids and (met := _stopped(scene, held.child)) is not None:
                    return met
    return None


def _stopped(scene: Scene, child: int) -> Held | None:
    procfs.stop(child)
    try:
        # What it had sent before it was stopped the server has seen: the claim is live.
        for held in claims(scene.client):
            if held.child == child and not _is_suspect(scene, held):
                return held
    except RedisError:
        procfs.go_on(child)
        raise
    procfs.go_on(child)
    return None


def _is_suspect(scene: Scene, held: Held) -> bool:
    deaths = scene.client.hget(keys.job(held.job, "deaths"), str(held.batch))
    return int(deaths or 0) >= DEATHS_MAX
