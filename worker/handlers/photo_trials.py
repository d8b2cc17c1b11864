"""Submits the trials that follow a head: trainings of whole networks, each a request of its own.

A trial replaces the version in production only if it is better by more than one standard error.
"""

from __future__ import annotations

import msgspec

from shared.broker.runtime_paths import stack_name
from shared.ledger import request_store
from shared.ledger.requests import RequestLedger
from shared.messages.requests import Request, Train
from worker.handlers.context import Context

#: The recipe whose head is followed by trials, and theirs, in order; each gets an equal share of
#: the time.
FOLLOWED = "photo"
TRIALS = ("photo-fine", "photo-scratch")
#: A fold of fewer photos could not tell a better network from a lucky one.
FEWEST_PHOTOS = 100
#: Of a request's id, so that the trials' ids are valid.
ID_CHARS = 48


def submit(context: Context, work: Train, photos: int) -> tuple[str, ...]:
    """The ids of the trials of a head that learned from `photos` photos; the same in each attempt.

    Raises:
        redis.exceptions.RedisError: the server is unreachable or full.
        SetupError: the store cannot be written.
    """
    if work.recipe != FOLLOWED or not work.minutes or photos < FEWEST_PHOTOS:
        return ()
    return tuple(_submitted(context, _trial(context, work, recipe)) for recipe in TRIALS)


def _trial(context: Context, work: Train, recipe: str) -> Request:
    request = context.request
    return Request(
        f"{request.id[:ID_CHARS]}-{recipe.partition('-')[2]}",
        msgspec.structs.replace(
            work,
            recipe=recipe,
            minutes=work.minutes / len(TRIALS),
            promote="never" if work.promote == "never" else "if-clearly-better",
        ),
        request.who,
        request.created,
    )


def _submitted(context: Context, request: Request) -> str:
    settings = context.settings
    if not settings.redis_url:  # as the producer does, on this machine's stack
        request_store.keep(context.registry.root, request, context.input, stack_name(settings))
    RequestLedger(context.client, settings.lease_s).submit(request, context.input)
    return request.id
