"""Removes a version of a model, or the whole model, unless something needs it.

A removed number stays taken. The aliases of a removed model go first, durably: an interrupted
removal is finished by the same command, and a later training starts with an alias of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from shared import atomic_file
from shared.errors import SetupError
from shared.messages.model_name import ModelName, parse
from shared.messages.replies import Pruned
from shared.messages.requests import (
    Calibrate,
    Evaluate,
    Import,
    ImportNetwork,
    Promote,
    Prune,
    Remove,
    Request,
    Rollback,
)
from shared.messages.training import Train
from shared.registry import packaged, staging, version_folder
from shared.registry.alias_log import AliasLog
from shared.registry.registry import REMEDY, Registry


def remove(
    registry: Registry,
    work: Remove,
    busy: Mapping[int, str],
    requests: Iterable[Request],
    *,
    who: str = "",
    confirm: Callable[[], None] = lambda: None,
) -> Pruned:
    """Delete a version, or all versions and aliases of a model.

    `busy` maps versions that jobs are pinned to to the reason why they stay; `requests` are open.

    Raises:
        SetupError: there is no such model or version, or something needs it.
    """
    wanted = ModelName(work.name, work.version, None)
    matching = [
        number for number in removable(registry, work.name) if work.version in (None, number)
    ]
    going = matching or [
        registry.resolve(wanted).version
    ]  # raises an error that lists the versions
    for version, why in _needed(registry, work, busy, requests):
        if version is None or version in going:
            raise SetupError(why)
    if work.version is None:
        confirm()
        _remove_aliases(registry, work.name, who)
    freed = 0
    for version in going:
        freed += size(registry, work.name, version)
        confirm()
        delete(registry, work.name, version)
    return Pruned(tuple(going), {}, freed)


def removable(registry: Registry, name: str) -> list[int]:
    """The versions of a model, and the numbers whose removal was interrupted, rising."""
    removed, folder = registry.removed(name), registry.folder(name)
    half = [n for n in removed if version_folder.is_half_removed(folder / str(n))]
    return sorted({*registry.versions(name), *half})


def delete(registry: Registry, name: str, number: int) -> None:
    """Delete a version, or the files that its interrupted removal has left.

    Raises:
        SetupError: an alias stands for it, or the store cannot be written.
    """
    if number in registry.versions(name):
        registry.remove(name, number)
    else:
        staging.discard(registry, name, number)


def size(registry: Registry, name: str, version: int) -> int:
    """Bytes that its removal frees; of all files in its folder if its card is absent or damaged."""
    folder = registry.folder(name) / str(version)
    with suppress(SetupError):
        return version_folder.freed_bytes(folder, registry.card(name, version))
    return version_folder.left_bytes(folder, math.inf)


def _needed(
    registry: Registry, work: Remove, busy: Mapping[int, str], requests: Iterable[Request]
) -> Iterator[tuple[int | None, str]]:
    """Versions that stay, with the reason; None stands for each of them."""
    name = work.name
    if name == packaged.NAME:
        if work.version is None:
            yield None, f"{name}@{packaged.VERSION} is part of Hangtag; name another version of it"
        yield packaged.VERSION, f"{name}@{packaged.VERSION} is part of Hangtag; it stays"
    if work.version is not None:
        for alias, version in sorted(registry.aliases(name).items()):
            other = f"hangtag models promote {name}@VERSION --alias {alias}"
            fix = f"promote another version first with: {other}; or remove all of {name}"
            yield version, f"{name}@{alias} is version {version}; {fix}"
    jobs = dict.fromkeys(work.in_use, "a job is pinned to it") | dict(busy)
    for version, why in jobs.items():
        yield version, f"{name}@{version} stays: {why}; finish, cancel or forget the job first"
    for request in requests:
        fix = f"wait for it, or cancel it with: hangtag cancel {request.id}"
        for used in used_by(registry, name, request):
            what = name if used is None else f"{name}@{used}"
            yield used, f"{what} stays: request {request.id} is open; {fix}"


def used_by(registry: Registry, name: str, request: Request) -> Iterator[int | None]:
    """The versions of a model that an open request needs; None stands for the model."""
    work = request.work
    if isinstance(work, Train | Import | ImportNetwork | Rollback) and work.name == name:
        yield None
    if isinstance(work, Evaluate | Promote | Calibrate):
        wanted = parse(work.model)
        if wanted.name == name:
            with suppress(SetupError):  # it fails with its own reason
                yield registry.resolve(wanted).version


def _remove_aliases(registry: Registry, name: str, who: str) -> None:
    folder = registry.folder(name)
    with atomic_file.writing(folder, REMEDY), AliasLog(folder).locked() as log:
        for alias, version in sorted(registry.aliases(name).items()):
            log.append(alias, version, "remove", who, "the model was removed")


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
    for version, why in _kept(registry, work, busy, requests):
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


def _kept(
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
