"""The stacks of other installations on this machine, and which of them has a request.

All stacks of a user share one store, so each request in it names the stack that works on it. After
that stack has ended, the next one that can do the work adopts the request.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from producer.fleet import commands
from producer.processes import lock
from shared.broker.runtime_paths import (
    earlier_runtime_dir,
    stack_dir,
    stack_name,
    stack_names,
)
from shared.errors import SetupError
from shared.installation import WORKER_PACKAGES, absent
from shared.ledger import request_store
from shared.messages.requests import Request
from shared.settings import Settings

#: File in a stack's folder that names the environment that it was started from.
PREFIX_FILE = "environment"


def stacks(settings: Settings) -> list[Settings]:
    """The broker in use, or this installation's stack and every other that runs."""
    return [settings] if settings.redis_url else [settings, *others(settings)]


def others(settings: Settings) -> Iterator[Settings]:
    """The running stacks of other installations, and those where an earlier version left them."""
    mine = stack_dir(settings)
    folders = [settings]
    if earlier := earlier_runtime_dir(settings):
        folders.append(msgspec.structs.replace(settings, runtime_dir=str(earlier)))
    for folder in folders:
        for name in sorted(stack_names(folder)):
            other = msgspec.structs.replace(folder, installation=name)
            if stack_dir(other) != mine and _runs(other):
                yield other


def prefix(settings: Settings) -> str:
    """The environment that a stack was started from."""
    try:
        text = (stack_dir(settings) / PREFIX_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return "an unknown environment"
    return text if text.isprintable() else repr(text)


def holder(settings: Settings, request_id: str) -> Settings:
    """The running stack that has a request of this machine, or this installation's stack."""
    owner = request_store.owner(settings.store_path, request_id)
    if settings.redis_url or not owner or owner == stack_name(settings):
        return settings
    return next((one for one in others(settings) if stack_name(one) == owner), settings)


def taken(settings: Settings, request: Request) -> Settings:
    """Like `holder`, but this installation adopts a request that no running stack has.

    Raises:
        SetupError: this installation cannot do the work, or the store cannot be written.
        Unavailable: a suspended process holds the store's lock.
    """
    while True:
        found = holder(settings, request.id)
        if settings.redis_url or found != settings:
            return found
        owner = request_store.owner(settings.store_path, request.id)
        if owner is None or owner == stack_name(settings):
            return settings
        commands.check_can(request.work)
        request_store.adopt(settings.store_path, request.id, owner, stack_name(settings))


def mine(settings: Settings) -> list[Request]:
    """The open requests of this stack, including those that it adopts now."""
    store = settings.store_path
    return [one for one in request_store.unanswered(store, here=True) if _mine(settings, one)]


def _mine(settings: Settings, request: Request) -> bool:
    if request_store.owner(settings.store_path, request.id) == stack_name(settings):
        return True
    if absent({**WORKER_PACKAGES, **commands.needs(request.work)}):
        return False
    return taken(settings, request) == settings


def _runs(settings: Settings) -> bool:
    try:
        return lock.held(stack_dir(settings) / lock.SUPERVISOR)
    except (OSError, SetupError):
        return False  # not a folder of this user
