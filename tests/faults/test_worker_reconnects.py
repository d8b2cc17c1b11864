"""A server that was away for long is found soon after it is back."""

from __future__ import annotations

import time

from shared import keys
from shared.broker import CLASSIFY_TASK, make_app
from tests.fleet import Fleet, wait_for

#: So long that Celery's own next look would be 7 s later: it looks after 2, 6, 12 and 20 s.
AWAY_S = 13.0
BACK_WITHIN_S = 4.0


def test_a_worker_takes_hints_within_seconds_of_the_servers_return(fleet: Fleet) -> None:
    worker = fleet.worker(1)
    children = worker.children
    fleet.server.kill()
    worker.wait_for_log("Cannot connect")
    time.sleep(AWAY_S)
    fleet.server.start()
    back = time.monotonic()
    app = make_app(fleet.server.url, "test")
    app.send_task(CLASSIFY_TASK, args=("abcdefgh", 0), queue=keys.CLASSIFY_QUEUE)
    app.close()
    wait_for("an empty queue", lambda: not fleet.client.llen(keys.CLASSIFY_QUEUE), poll_s=0.05)
    print(f"back after {time.monotonic() - back:.1f} s")
    assert time.monotonic() - back < BACK_WITHIN_S
    fleet.wait_ready(worker)
    assert worker.children == children
