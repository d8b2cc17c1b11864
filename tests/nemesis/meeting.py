"""Catches a process with a batch in progress, while the server may be unreachable."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress

from redis.exceptions import RedisError

from shared import keys
from tests.nemesis.scenario import Scene
from tests.support.jobs.claims import Held, claims
from tests.support.processes import procfs

#: The time limit of the search for a victim with a batch. A claim lasts milliseconds here.
MEET_S = 2.0
#: The maximum number of deaths per batch: from the second on, images are classified one by one, and
#: an image that is in progress at two deaths is blamed.
DEATHS_MAX = 3


def meet(scene: Scene, pids: Collection[int]) -> Held | None:
    """Stop one of these processes while it holds a live claim; None if there is none in time."""
    deadline = time.monotonic() + MEET_S
    while time.monotonic() < deadline:
        with suppress(RedisError, ProcessLookupError):
            for held in claims(scene.client):
                if held.child in pids and (caught := _stopped(scene, held.child)) is not None:
                    return caught
    return None


def _stopped(scene: Scene, child: int) -> Held | None:
    procfs.stop(child)
    try:
        # The server has processed all that the child sent before its stop: the claim is live.
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
