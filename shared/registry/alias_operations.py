"""What moves an alias of a model: promotion and rollback.

The owner of a store calls these directly; other clients send it requests. With the mark of a
`request` an alias moves once, however often the request is repeated.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.messages.model_name import parse
from shared.messages.replies import Decided
from shared.messages.requests import Promote, Rollback
from shared.registry.alias_log import AliasChange, aliases_after
from shared.registry.registry import Registry

#: Called right before a change becomes visible; raises to prevent it.
Confirm = Callable[[], None]


def promote(
    registry: Registry,
    work: Promote,
    who: str,
    *,
    request: str = "",
    confirm: Confirm = lambda: None,
) -> Decided:
    """Point an alias at a version; no change if it does already.

    Raises:
        SetupError: there is no such version, or the alias is not allowed.
    """
    card = registry.resolve(parse(work.model))
    now = registry.promote(
        card.name,
        card.version,
        alias=work.alias,
        who=who,
        why=work.why,
        request=request,
        confirm=confirm,
    )
    if now is None:
        why = f"{card.name}@{work.alias} is version {card.version} already"
        return Decided(work.alias, card.version, card.version, changed=False, why=why)
    return _decided(registry, card.name, now)


def rollback(
    registry: Registry,
    work: Rollback,
    who: str,
    *,
    request: str = "",
    confirm: Confirm = lambda: None,
) -> Decided:
    """Undo the last promotion of an alias.

    Raises:
        SetupError: there is no previous version, or it was removed.
    """
    now = registry.rollback(
        work.name, alias=work.alias, who=who, why=work.why, request=request, confirm=confirm
    )
    return _decided(registry, work.name, now)


def decided(registry: Registry, name: str, request: str) -> Decided | None:
    """A request's decision on an alias of a model; None if there is none, or without a mark."""
    changes = [change for change in registry.history(name) if request and change.request == request]
    return _decided(registry, name, changes[0]) if changes else None


def _decided(registry: Registry, name: str, now: AliasChange) -> Decided:
    history = registry.history(name)
    earlier = history[: len(history) - 1 - history[::-1].index(now)]
    before = aliases_after(name, earlier).get(now.alias)
    return Decided(now.alias, now.version, before, changed=before != now.version, why=now.why)
