"""`python -m worker.labelling`: says what a page for the first labels shows next, and fits a head
behind each decision.

A process of its own, since the producer computes nothing. It opens no files and gets the features
of a folder through a pipe (shared/messages/labelling.py). The head is fitted in a thread, so that a
page never waits long for it: a page may know all decisions but the last.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator

import numpy as np

from shared import process
from shared.messages import framing
from shared.messages.labelling import (
    Count,
    Decide,
    FindGroups,
    FindSimilar,
    NextPage,
    Noted,
    Order,
    Reply,
    Similar,
    Start,
    Suggest,
    Together,
)
from shared.messages.replies import FolderFeatures, decode_features
from worker.classify.resource_limits import memory_limit
from worker.labelling.alike import find_groups, find_similar
from worker.labelling.folder_rows import stack_rows
from worker.labelling.session import Session

#: 50,000 images take less than half of it.
MEMORY_BYTES = 3 << 30
#: A page waits this long for a head that is being fitted, less what was spent before, for example
#: by a slow disk; with 5,000 images it is ready by then.
PATIENCE_S = 0.06


class Learner:
    """A session whose head is fitted in a thread of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        #: Changes of labels so far; of those, the learned ones, and those that were judged.
        self._decided = self._learned = self._judged = 0
        self._changes = threading.Condition()
        threading.Thread(target=self._learn_or_end, daemon=True).start()

    def reply(self, order: Order) -> Reply:
        """What the session answers."""
        session = self._session
        match order:
            case Decide():
                session.decide(
                    np.array(order.stacks, np.int64),
                    np.array(order.labels, np.int64),
                    np.array(order.by_chance, bool),
                    order.excluded,
                )
                self._changed()
            case Suggest():
                labels = np.array(order.labels, np.int64)
                session.suggest(np.array(order.stacks, np.int64), labels)
                self._changed()
            case NextPage():
                self._wait(None if order.settled else max(0.0, PATIENCE_S - order.spent_s))
                return session.next(order)
            case Similar():
                return session.similar(order.stack)
            case Together():
                return session.together(order.label)
            case Count():
                self._wait(None if order.settled else 0)
                return session.counts()
            case Start():
                pass
        return Noted()

    def _changed(self) -> None:
        with self._changes:
            self._decided += 1
            self._changes.notify_all()

    def _wait(self, seconds: float | None) -> None:
        """Wait for the head that knows every decision, for this long at most; without a limit also
        for what it is sure of."""
        with self._changes:
            if seconds is None:
                self._changes.wait_for(lambda: self._judged == self._decided)
            else:
                self._changes.wait_for(lambda: self._learned == self._decided, seconds)

    def _learn_or_end(self) -> None:
        """End the process with the thread: otherwise its client would wait without end."""
        try:
            self._learn()
        finally:
            os._exit(1)

    def _learn(self) -> None:
        while True:
            with self._changes:
                self._changes.wait_for(lambda: self._learned < self._decided)
                decided = self._decided
            self._session.learn()
            with self._changes:
                self._learned = decided
                self._changes.notify_all()
            self._session.judge()
            with self._changes:
                self._judged = decided
                self._changes.notify_all()


def main() -> None:
    """Serve until the input ends."""
    process.skip_last_search()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which still asks
    with memory_limit(MEMORY_BYTES):
        for reply in replies(framing.orders(Order)):
            framing.reply(reply)


def replies(orders: Iterable[Order]) -> Iterator[Reply]:
    """One to each order. `Start` comes before those about decisions."""
    learner: Learner | None = None
    for order in orders:
        if isinstance(order, FindGroups | FindSimilar):
            yield _found(order)
            continue
        if isinstance(order, Start):
            learner = Learner(session_of(decode_features(order.features), order.seed))
        assert learner is not None
        yield learner.reply(order)


def _found(order: FindGroups | FindSimilar) -> Reply:
    features = decode_features(order.features)
    if isinstance(order, FindGroups):
        return find_groups(features, order)
    return find_similar(features, order)


def session_of(features: FolderFeatures, seed: int) -> Session:
    """The session of a folder."""
    return Session(*stack_rows(features), seed)


if __name__ == "__main__":
    main()
