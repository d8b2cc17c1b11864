"""The mistakes of a version on its held-out images, from a process of the worker's package."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from producer.processes.helper import Helper
from shared.errors import BadMessage
from shared.messages.model_card import Card, encode_card
from shared.pipes.mistakes import Found, Question, Reply, Searched

MOST, MOST_OF_PAIR = 300, 12


def find_mistakes(
    card: Card,
    answers: bytes,
    corrections: bytes | None,
    on_progress: Callable[[int, int], None],
) -> Found:
    """The figures and a choice of the mistakes. `on_progress` gets the files of the data that were
    looked at, and their number; the corrected files are looked at, too.

    Raises:
        SetupError: the process failed.
        BadMessage: it found labels that the version does not have.
    """
    question = Question(encode_card(card), answers, MOST, MOST_OF_PAIR, corrections)
    with closing(
        Helper("worker.mistakes", Reply, "the held-out images cannot be searched")
    ) as helper:
        reply = helper.ask(question)
        while isinstance(reply, Searched):
            on_progress(reply.done, reply.total)
            reply = helper.receive()
        if reply is None:
            raise helper.ended()
    return _checked(reply, len(card.labels))


def _checked(mistakes: Found, labels: int) -> Found:
    fits = len(mistakes.confusion) == labels and all(
        len(row) == labels for row in mistakes.confusion
    )
    indices = {i for mistake in mistakes.mistakes for i in (mistake.truth, *mistake.labels)}
    if not fits or not indices <= set(range(labels)):
        raise BadMessage("the held-out images cannot be searched: labels out of range")
    return mistakes
