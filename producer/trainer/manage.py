"""`hangtag models promote`, `rollback`, `rm`: in this machine's store, or by a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from redis.exceptions import RedisError

from producer.job import job_index, snapshot
from producer.job.snapshot import JobState
from producer.machine.workers import ROLE
from producer.present.events import Events
from producer.present.formatting import near, percent
from producer.present.style import columns, next_commands
from producer.trainer.client import make_request, user_name
from producer.trainer.submit import submit
from producer.versions.catalog import Catalog
from producer.versions.default_model import OVERRIDE, ChosenModel, choice, choices
from shared.broker.redis_client import connect
from shared.broker.runtime_paths import broker_url, socket_path
from shared.errors import HangtagError, SetupError, UsageError
from shared.ledger.jobs import pinned
from shared.ledger.request_store import open_requests
from shared.messages import model_name
from shared.messages.model_card import Metrics
from shared.messages.model_name import PRODUCTION, ModelName, parse
from shared.messages.replies import Decided, Pruned
from shared.messages.requests import Promote, Remove, Rollback
from shared.registry import operations
from shared.registry.mirror_writer import publish
from shared.registry.registry import Registry
from shared.settings import Settings
from shared.stop import Stop


def promote(
    settings: Settings,
    model: str,
    alias: str,
    why: str,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Decided:
    """Point an alias to a version.

    Raises:
        UsageError: the name of the version or of the alias is invalid.
        SetupError: there is no such version; or as `submit`.
    """
    if "@" not in model:
        raise UsageError(f"name the version of {model!r:.80} to promote: NAME@VERSION")
    work = Promote(str(parse(model)), alias, why)
    return _moved(settings, work, events, stop)


def rollback(
    settings: Settings,
    name: str,
    alias: str,
    why: str,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Decided:
    """Undo the last promotion of an alias.

    Raises:
        UsageError: the name of the model is invalid.
        SetupError: there is nothing to undo; or as `submit`.
    """
    return _moved(settings, Rollback(_checked(name), alias, why), events, stop)


def remove(
    settings: Settings,
    model: str,
    keep: int | None = None,
    *,
    dry_run: bool = False,
    spared: Mapping[int, str] = MappingProxyType({}),
    events: Events | None = None,
    stop: Stop | None = None,
) -> Pruned:
    """Delete a version, NAME@VERSION, or a model with all of its versions and aliases, NAME. With
    `keep` the old versions of a model that no alias, no job and no open request needs; `spared` are
    versions that stay also if nothing needs them any more, with the reason.

    Raises:
        UsageError: the name is invalid, or it is the model that commands use.
        SetupError: there is no such model or version, or something needs it; or as `submit`.
    """
    name, version = model, None
    if keep is None and "@" in model:
        wanted = parse(model)
        if wanted.alias is not None:
            raise UsageError(f"{wanted} is an alias; name the version: {wanted.name}@VERSION")
        name, version = wanted.name, wanted.version
    _checked(name)
    if keep is None:
        for used in list(choices(settings)) or [choice(settings)]:
            _check_unused(name, version, used)
    work = Remove(name, version, keep, dry_run, dict(spared) | of_this_machine(name))
    if settings.redis_url:
        return submit(settings, make_request(work), events=events, stop=stop).decode(Pruned)
    registry, pinned = Registry(settings.store_path), _pinned_on_stack(settings, name)
    requests = open_requests(registry.root)
    removed = operations.remove(registry, work, pinned, requests, who=user_name())
    if not dry_run:
        publish_here(settings)
    return removed


def _moved(
    settings: Settings, work: Promote | Rollback, events: Events | None, stop: Stop | None
) -> Decided:
    if settings.redis_url:
        return submit(settings, make_request(work), events=events, stop=stop).decode(Decided)
    decided = operations.move(Registry(settings.store_path), work, user_name())
    publish_here(settings)
    return decided


def _check_unused(name: str, version: int | None, used: ChosenModel) -> None:
    model = parse(used.model)
    if name == model.name and version in (None, model.version):
        how = (
            f"in {OVERRIDE}" if used.source == OVERRIDE else "first with: hangtag models use MODEL"
        )
        raise UsageError(f"commands use {model}; choose another model {how}")


def of_this_machine(name: str) -> dict[int, str]:
    """Version -> the reason to keep it, for every job of this machine that is resumable, or may be
    on a disk that is missing now."""
    reasons: dict[int, str] = {}
    for entry in job_index.entries():
        view = snapshot.read_snapshot(Path(entry.output))
        # A newer Hangtag may read the journal and resume the job.
        is_unreadable = view is not None and view.state is JobState.UNREADABLE
        if is_unreadable or not job_index.is_reachable(entry):
            state = "unreadable" if is_unreadable else "missing"
            model, why = entry.model, f"job {entry.id} may be pinned to it; its journal is {state}"
        elif view is None or view.state is JobState.FINISHED:
            continue
        else:
            model, why = view.model, f"job {view.job} is {view.state} and pinned to it"
        if model and (wanted := parse(model)).name == name and wanted.version is not None:
            reasons[wanted.version] = why
    return reasons


def publish_here(settings: Settings) -> None:
    """Update the copies in the server of this machine's stack, so that the next job uses them."""
    if socket_path(settings).exists():
        # Without a server there are no copies; `list` reports damaged versions.
        with suppress(RedisError, SetupError):
            publish(connect(broker_url(settings), ROLE), Registry(settings.store_path))


def moved(model: ModelName | str, decided: Decided) -> str:
    """The result of a promotion or rollback as a line of text."""
    name = model if isinstance(model, str) else model.name
    if not decided.changed:
        return decided.why or f"{name}@{decided.alias} stays version {decided.version}"
    before = "nothing" if decided.before is None else f"version {decided.before}"
    return f"{name}@{decided.alias} is version {decided.version} now; before: {before}"


def promoted_lines(settings: Settings, name: str, decided: Decided) -> Iterator[str]:
    """The result of a promotion: how right both versions are, and the command that undoes it."""
    yield moved(name, decided)
    if not decided.changed or decided.before is None:
        return
    with suppress(HangtagError):  # the promotion is done, whether the cards can be read or not
        catalog = Catalog(settings)
        for version in (decided.version, decided.before):
            card = catalog.version(ModelName(name, version, None)).card
            yield f"  {card.ref}: {_accuracy(card.metrics)}"
    alias = "" if decided.alias == PRODUCTION else f" --alias {decided.alias}"
    yield from next_commands([("undo it", f"hangtag models rollback {name}{alias}")])


def _accuracy(metrics: Metrics) -> str:
    """On the test images, or else on those held out."""
    if metrics.test_accuracy is not None and metrics.test_count:
        return f"{percent(metrics.test_accuracy)} of {metrics.test_count:,} test images right"
    if metrics.heldout_count:
        return f"{percent(metrics.heldout_accuracy)} of {metrics.heldout_count:,} held-out right"
    return "not evaluated"


def tables_of(name: str) -> dict[int, list[str]]:
    """Version -> the finished tables of this user that were made with it, the newest first."""
    tables: dict[int, list[str]] = {}
    for entry in reversed(job_index.entries()):
        view = snapshot.read_snapshot(Path(entry.output))
        if view is None or view.state is not JobState.FINISHED:
            continue
        used = parse(view.model)
        if used.name == name and used.version is not None:
            tables.setdefault(used.version, []).append(near(entry.output))
    return tables


def table(name: str, planned: Pruned) -> Iterator[str]:
    """The versions to remove and the remaining ones, with reasons, as lines of text."""
    made = tables_of(name)
    rows = {
        version: ("to be removed", _tables_sentence(made.get(version, [])))
        for version in planned.removed
    }
    rows |= {version: ("stays", why) for version, why in planned.kept.items()}
    cells = [(f"{name}@{version}", *rows[version]) for version in sorted(rows)]
    yield from columns(("model", "", "why"), cells, ("model", "", "why"))


def _tables_sentence(tables: list[str]) -> str:
    if not tables:
        return "not needed"
    made = (
        f"{tables[0]} was" if len(tables) == 1 else f"{tables[0]} and {len(tables) - 1:,} more were"
    )
    return f"not needed; {made} made with it"


def _checked(name: str) -> str:
    if "@" in name:
        raise UsageError(f"this is for all versions; give the name alone: {parse(name).name}")
    return model_name.checked(name)


def _pinned_on_stack(settings: Settings, name: str) -> dict[int, str]:
    """The versions that jobs on this machine's stack need."""
    if socket_path(settings).exists():
        with suppress(RedisError):
            return pinned(connect(broker_url(settings), ROLE), name)
    return {}
