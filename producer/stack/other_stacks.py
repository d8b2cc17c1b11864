"""The stacks of other installations on this machine, and which of them has a request.

All stacks of a user share one store, also those of other machines with the same home, so each
request in it names the stack that works on it. After that stack has ended, the next one of its
machine that can do the work adopts the request: its own may never run again, since a package that
is installed or updated makes another installation. On another machine, which may lack the data,
only a command that names the request does.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import msgspec

from producer.fleet import commands
from producer.processes import lock
from producer.stack import store_lock
from shared.broker.runtime_paths import private_stack_dir, stack_dir, stack_id, stack_names
from shared.errors import HangtagError, SetupError
from shared.installation import WORKER_PACKAGES, absent
from shared.ledger import request_store
from shared.messages.requests import Request
from shared.settings import Settings

log = logging.getLogger(__name__)
#: File in a stack's folder that names the environment that it was started from.
PREFIX_FILE = "environment"


def stacks(settings: Settings) -> list[Settings]:
    """The broker in use, or this installation's stack and every other that runs."""
    return [settings] if settings.redis_url else [settings, *others(settings)]


def others(settings: Settings) -> Iterator[Settings]:
    """The running stacks of other installations."""
    mine = stack_dir(settings)
    for name in sorted(stack_names(settings)):
        other = msgspec.structs.replace(settings, installation=name)
        if stack_dir(other) != mine and _runs(other):
            yield other


def prefix(settings: Settings) -> str:
    """The environment that a stack was started from."""
    try:
        text = (stack_dir(settings) / PREFIX_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return "an unknown environment"
    return text if text.isprintable() else repr(text)


def is_of_this_environment(settings: Settings) -> bool:
    """Whether a stack was started here, before a package was installed or updated."""
    return prefix(settings) == sys.prefix


def holder(settings: Settings, request_id: str) -> Settings:
    """The running stack that has a request of this machine, or this installation's stack.

    Raises:
        SetupError: a stack has it that is not in this runtime folder.
    """
    owner = request_store.owner(settings.store_path, request_id)
    if settings.redis_url or not owner or owner == stack_id(settings):
        return settings
    for stack in others(settings):
        if owner == stack_id(stack):
            return stack
    if place := store_lock.place(settings.store_path, owner):
        raise SetupError(
            f"request {request_id} belongs to the stack in {place}; run the command there, or stop "
            "that stack there with: hangtag down"
        )
    return settings


def holder_or_adopt(settings: Settings, request: Request) -> Settings:
    """Like `holder`, but this installation adopts a request that no running stack has.

    Raises:
        SetupError: as `holder`; or this installation cannot do the work, or the store cannot be
            written.
        Unavailable: a suspended process holds the store's lock.
    """
    while True:
        holding = holder(settings, request.id)
        if settings.redis_url or holding != settings:
            return holding
        owner = request_store.owner(settings.store_path, request.id)
        if owner is None or owner == stack_id(settings):
            return settings
        commands.check_can(request.work)
        private_stack_dir(settings)  # an id without a folder would not last
        request_store.adopt(settings.store_path, request.id, owner, stack_id(settings))


def mine(settings: Settings) -> list[Request]:
    """The open requests of this stack, including those that it adopts now."""
    store = settings.store_path
    return [
        request
        for request in request_store.unanswered(store, here=True)
        if _mine(settings, request)
    ]


def _mine(settings: Settings, request: Request) -> bool:
    """Whether a request is this stack's; adopts it if possible."""
    owner, me = request_store.owner(settings.store_path, request.id) or "", stack_id(settings)
    if owner == me:
        return True
    if _host(owner) not in ("", _host(me)):
        return False
    if absent({**WORKER_PACKAGES, **commands.needs(request.work)}):
        return False
    try:
        return holder_or_adopt(settings, request) == settings
    except HangtagError as error:  # the command that needs it reports that
        log.debug("cannot adopt request %s: %s", request.id, error)
        return False


def _host(stack: str) -> str:
    """The machine of a stack; empty if its id has none."""
    return stack.partition("@")[2]


def _runs(settings: Settings) -> bool:
    try:
        return lock.held(stack_dir(settings) / lock.SUPERVISOR)
    except (OSError, SetupError):
        return False  # not a folder of this user
