"""The trainings that follow a head of photos: requests, each of which may replace its version."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from shared import recipes
from shared.broker.runtime_paths import stack_id
from shared.errors import BadMessage, RequestCancelled, UsageError
from shared.ledger import cancelled_requests, request_store
from shared.ledger.request_ledger import RequestLedger
from shared.messages.requests import Request
from shared.messages.training import Rule, Train
from worker.handlers.context import Context

log = logging.getLogger(__name__)
#: A fold of fewer photos could not tell a better network from a lucky one.
FEWEST_PHOTOS = 100
NONE: Mapping[str, str] = MappingProxyType({})
#: The characters of a request's id, so that the trials' ids are valid; the last ones hash a
#: longer id.
ID_CHARS, HASH_CHARS = 48, 8


def submit_trials(
    context: Context, work: Train, photos: int, chanceless: Mapping[str, str] = NONE
) -> tuple[str, ...]:
    """The ids of the trials of a head that learned from `photos` photos, but for those recipes that
    are `chanceless`; the same in each attempt.

    Raises:
        redis.exceptions.RedisError: the server is unreachable or full.
        SetupError: the store cannot be written.
    """
    follow = [recipe for recipe in wanted(work, photos) if recipe not in chanceless]
    if all(recipes.find(recipe).network == "several" for recipe in follow):
        return ()  # there is one network
    limited = [recipe for recipe in follow if recipes.find(recipe).minutes is not None]
    minutes = {recipe: work.minutes / len(limited) for recipe in limited}
    trials = [_trial(context, work, recipe, minutes.get(recipe, 0.0)) for recipe in follow]
    return tuple(trial.id for trial in trials if _submit(context, trial))


def wanted(work: Train, photos: int) -> tuple[str, ...]:
    """The recipes that follow a version that learned from `photos` photos, if they have a chance
    to replace it."""
    if not work.minutes or photos < FEWEST_PHOTOS:
        return ()
    return recipes.find(work.recipe).trials


def trials_promote(work: Train) -> Rule:
    """The rule by which a trial becomes the production version instead of this head."""
    return "never" if work.promote == "never" else "if-clearly-better"


def _trial(context: Context, work: Train, recipe: str, minutes: float) -> Request:
    request = context.request
    several = recipes.find(recipe).network == "several"
    trial = msgspec.structs.replace(
        work,
        recipe=recipe,
        minutes=minutes,
        promote=trials_promote(work),
        trial=True,
        serve=work.serve if several else "auto",
    )
    request_id = f"{_shortened(request.id)}-{recipe.partition('-')[2]}"
    return Request(request_id, trial, request.who, request.created)


def _shortened(request_id: str) -> str:
    if len(request_id) <= ID_CHARS:
        return request_id
    digest = hashlib.sha256(request_id.encode()).hexdigest()[:HASH_CHARS]
    return f"{request_id[: ID_CHARS - HASH_CHARS - 1]}-{digest}"


def _submit(context: Context, request: Request) -> bool:
    """False if another request has its id, which must not fail a training that has published, or if
    it was cancelled meanwhile."""
    settings = context.settings
    stack = None if settings.redis_url else stack_id(settings)
    try:
        cancelled_requests.check(context.registry.root, request)
        with request_store.kept(context.registry.root, request, context.input, stack):
            RequestLedger(context.client, settings.lease_s).submit(request, context.input)
    except (UsageError, BadMessage, RequestCancelled) as error:
        log.warning("request %s has no trial %s: %s", context.request.id, request.id, error)
        return False
    return True
