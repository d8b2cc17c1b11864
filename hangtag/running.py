"""Runs work that reports events, so that its caller can be interrupted.

The work has a thread of its own, and its caller waits for its events. KeyboardInterrupt, which
Python raises in the main thread only, meets that wait: the work is asked to end, and has ended when
the caller gets the exception. So no signal handler is needed, and it is the same in any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from producer.present.events import Event, Events
from shared.stop import Stop

T = TypeVar("T")
Work = Callable[[Events, Stop], T]
#: In the queue: the work has ended.
_END = None
#: The longest wait without a look at signals. A signal ends no wait that begins after its arrival,
#: nor one that another thread has received.
LOOK_S = 0.25


def run(work: Work[T], report: Callable[[Event], None], stop: Stop, name: str) -> T:
    """What the work returns or raises. `report` gets its events in the thread of the caller; an
    exception of it ends the work, which is awaited, and so does KeyboardInterrupt. A second
    KeyboardInterrupt does not wait: the work ends in its own time."""
    queue = SimpleQueue[Event | None]()
    outcome = Future[T]()
    thread = threading.Thread(
        target=_work, args=(work, queue, outcome, stop), name=name, daemon=True
    )
    try:
        thread.start()
        while (event := _next(queue)) is not _END:
            report(event)
    except BaseException:
        stop.request()
        while thread.is_alive():
            thread.join(LOOK_S)
        raise
    return outcome.result()


def _next(queue: SimpleQueue[Event | None]) -> Event | None:
    while True:
        try:
            return queue.get(timeout=LOOK_S)
        except Empty:
            continue


def _work(work: Work[T], queue: SimpleQueue[Event | None], outcome: Future[T], stop: Stop) -> None:
    events = Events()
    events.subscribe(queue.put)
    try:
        outcome.set_result(work(events, stop))
    except BaseException as error:
        outcome.set_exception(error)
    finally:
        queue.put(_END)
