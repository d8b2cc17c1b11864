"""Operations on the versions of a store: promote, roll back, prune.

The owner of a store calls these directly; other clients send it requests. With the mark of a
`request` an alias moves once, however often the request is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from shared.messages.model_name import parse
from shared.messages.replies import Decided, Pruned
from shared.messages.requests import Promote, Prune, Request, Rollback
from shared.registry import packaged, staging
from shared.registry.alias_log import Decision, aliases_after
from shared.registry.registry import Registry
from shared.registry.removal import delete, removable, size, used_by

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
    found = [one for one in registry.history(name) if request and one.request == request]
    return _decided(registry, name, found[0]) if found else None


def prune(
    registry: Registry,
    work: Prune,
    busy: Mapping[int, str],
    requests: Iterable[Request],
    *,
    confirm: Confirm = lambda: None,
) -> Pruned:
    """Delete unneeded versions and the files of failed attempts.

    `busy` maps versions that jobs are pinned to to the reason why they stay; `requests` are open.

    Raises:
        SetupError: there is no such model.
    """
    reasons: dict[int, list[str]] = {}
    for version, why in _needed(registry, work, busy, requests):
        reasons.setdefault(version, []).append(why)
    kept = {version: "; ".join(dict.fromkeys(reasons[version])) for version in sorted(reasons)}
    removed = [version for version in removable(registry, work.name) if version not in kept]
    left = staging.leftovers(registry, work.name)
    if not (kept or removed or left):
        registry.existing(work.name)  # raises an error that lists the models
    freed = sum(left.values())
    for version in removed:
        freed += size(registry, work.name, version)
        if not work.dry_run:
            confirm()
            delete(registry, work.name, version)
    for number in left if not work.dry_run else ():
        confirm()
        staging.discard(registry, work.name, number)
    return Pruned(tuple(removed), kept, freed)


def _needed(
    registry: Registry, work: Prune, busy: Mapping[int, str], requests: Iterable[Request]
) -> Iterator[tuple[int, str]]:
    """Existing versions that stay, with every reason, the strongest first."""
    numbers = registry.versions(work.name)
    pinned = dict.fromkeys(work.in_use, "a job is pinned to it") | dict(busy)
    if work.name == packaged.NAME:
        yield packaged.VERSION, "it is part of Hangtag"
    aliases = registry.aliases(work.name)
    for alias, version in sorted(aliases.items()):
        yield version, f"{alias} stands for it"
    yield from ((version, why) for version, why in pinned.items() if version in numbers)
    for request in requests:
        for used in used_by(registry, work.name, request):
            if used is not None:  # a training of this model needs none of its versions
                yield used, f"request {request.id} needs it"
    for alias in sorted(aliases):
        back = registry.previous(work.name, alias)
        if back is not None and back in numbers:
            yield back, f"a rollback of {alias} leads to it"
    for version in numbers[max(0, len(numbers) - work.keep) :]:
        yield version, f"one of the newest {work.keep}"


def _decided(registry: Registry, name: str, now: Decision) -> Decided:
    history = registry.history(name)
    earlier = history[: len(history) - 1 - history[::-1].index(now)]
    before = aliases_after(name, earlier).get(now.alias)
    return Decided(now.alias, now.version, before, changed=before != now.version, why=now.why)
