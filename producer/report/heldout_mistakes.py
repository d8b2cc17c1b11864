"""The mistakes of a version on its held-out images, from a process of the worker's package."""

from __future__ import annotations

from collections.abc import Callable

from producer.pages import worker_process
from shared.errors import BadMessage
from shared.messages.model_card import Card, encode_card
from shared.pipes.framing import receive, send
from shared.pipes.mistakes import Found, Question, decode_reply, encode

_MODULE = "worker.mistakes"
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
        BadMessage: the process failed.
    """
    process = worker_process.start(_MODULE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        question = Question(encode_card(card), answers, MOST, MOST_OF_PAIR, corrections)
        send(process.stdin, encode(question))
        while (data := receive(process.stdout)) is not None:
            reply = decode_reply(data)
            if isinstance(reply, Found):
                return _checked(reply, len(card.labels))
            on_progress(reply.done, reply.total)
    except OSError:
        pass  # it died before it had read the question
    finally:
        process.kill()
        process.communicate()
    raise BadMessage("the held-out images cannot be searched: the process for it failed")


def _checked(mistakes: Found, labels: int) -> Found:
    fits = len(mistakes.confusion) == labels and all(
        len(row) == labels for row in mistakes.confusion
    )
    indices = {i for mistake in mistakes.mistakes for i in (mistake.truth, *mistake.labels)}
    if not fits or not indices <= set(range(labels)):
        raise BadMessage("the held-out images cannot be searched: labels out of range")
    return mistakes
