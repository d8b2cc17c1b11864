"""Which versions of a model `hangtag models rm --unused` keeps, and the removal of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from shared.messages.replies import Pruned
from shared.messages.requests import Prune, Request
from shared.registry import packaged, staging
from shared.registry.registry import Registry
from shared.registry.removal import delete, removable, size, used_by


def prune(
    registry: Registry,
    work: Prune,
    busy: Mapping[int, str],
    requests: Iterable[Request],
    *,
    confirm: Callable[[], None] = lambda: None,
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
