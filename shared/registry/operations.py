"""What people change of a store: they point an alias to another version, and remove versions.

The owner of the store does it, other clients send it as a request. A removed number stays taken.
The aliases of a removed model go first, durably: an interrupted removal is finished by the same
command, and a later training starts with an alias of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from shared import atomic_file
from shared.errors import SetupError
from shared.messages.model_name import ModelName, parse
from shared.messages.replies import Decided, Pruned
from shared.messages.requests import (
    Calibrate,
    Evaluate,
    Import,
    ImportNetwork,
    Promote,
    Remove,
    Request,
    Rollback,
)
from shared.messages.training import Train
from shared.registry import packaged, staging, version_folder
from shared.registry.alias_log import AliasLog
from shared.registry.registry import REMEDY, Registry


def move(
    registry: Registry,
    work: Promote | Rollback,
    who: str,
    *,
    request: str = "",
    confirm: Callable[[], None] = lambda: None,
) -> Decided:
    """Point an alias to a version, or undo the last promotion. Errors are those of
    `Registry.promote` and `rollback`."""
    how = {"alias": work.alias, "who": who, "why": work.why, "request": request}
    if isinstance(work, Rollback):
        return registry.rollback(work.name, confirm=confirm, **how)
    card = registry.resolve(parse(work.model))
    return registry.promote(card.name, card.version, confirm=confirm, **how)


def remove(
    registry: Registry,
    work: Remove,
    pinned: Mapping[int, str],
    requests: Iterable[Request],
    *,
    who: str = "",
    confirm: Callable[[], None] = lambda: None,
) -> Pruned:
    """Delete a version, or all versions and aliases of a model; with `keep` the versions that
    nothing needs, and the files of failed attempts.

    `pinned` maps versions that jobs need to the reason; `requests` are open.

    Raises:
        SetupError: there is no such model or version, or something needs it.
    """
    name, candidates = work.name, removable(registry, work.name)
    reasons = list(_reasons(registry, work, pinned, requests))
    kept, leftovers = dict[int, str](), dict[int, int]()
    if work.keep is None:
        wanted = ModelName(name, work.version, None)
        going = [number for number in candidates if work.version in (None, number)]
        going = going or [registry.resolve(wanted).version]  # an error that lists the versions
        for reason in reasons:
            if reason.version is None or reason.version in going:
                raise SetupError(reason.refusal(name))
    else:
        kept = _kept(registry.versions(name), reasons)
        going = [version for version in candidates if version not in kept]
        leftovers = staging.leftovers(registry, name)
        if not (kept or going or leftovers):
            registry.existing(name)  # raises an error that lists the models
    freed = sum(size(registry, name, version) for version in going) + sum(leftovers.values())
    if not work.dry_run:
        if work.version is None and work.keep is None:
            confirm()
            _remove_aliases(registry, name, who)
        for number in (*going, *leftovers):
            confirm()
            delete(registry, name, number)
    return Pruned(tuple(going), kept, freed)


class _Reason(NamedTuple):
    """Why a version stays."""

    version: int | None  #: None: any of the model
    why: str
    fix: str

    def refusal(self, name: str) -> str:
        what = name if self.version is None else f"{name}@{self.version}"
        return f"{what} stays: {self.why}; {self.fix}"


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


def _reasons(
    registry: Registry, work: Remove, pinned: Mapping[int, str], requests: Iterable[Request]
) -> Iterator[_Reason]:
    """What needs versions, the strongest reason first."""
    name = work.name
    # No other model has a version with this number.
    yield _Reason(packaged.VERSION, "it is part of Hangtag", "name another version of it")
    aliases = sorted(registry.aliases(name).items())
    for alias, version in aliases if (work.version, work.keep) != (None, None) else ():
        other = f"hangtag models promote {name}@VERSION --alias {alias}"
        fix = f"promote another version first with: {other}; or remove all of {name}"
        yield _Reason(version, f"{alias} stands for it", fix)
    for version, why in {**work.in_use, **pinned}.items():
        yield _Reason(version, why, "finish, cancel or forget the job first")
    for request in requests:
        fix = f"wait for it, or cancel it with: hangtag cancel {request.id}"
        for used in used_by(registry, name, request):
            yield _Reason(used, f"request {request.id} needs it", fix)
    if work.keep is None:
        return
    for alias, _ in aliases:
        back = registry.previous(name, alias)
        if back is not None:
            yield _Reason(back, f"a rollback of {alias} leads to it", "")
    numbers = registry.versions(name)
    for version in numbers[max(0, len(numbers) - work.keep) :]:
        yield _Reason(version, f"one of the newest {work.keep}", "")


def _kept(versions: Sequence[int], reasons: Sequence[_Reason]) -> dict[int, str]:
    """Existing versions that stay, with every reason. A training needs its model, and no version
    of it."""
    whys: dict[int, list[str]] = {}
    for reason in reasons:
        if reason.version is not None and reason.version in versions:
            whys.setdefault(reason.version, []).append(reason.why)
    return {version: "; ".join(dict.fromkeys(whys[version])) for version in sorted(whys)}


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
