"""The group of commands on versions of models: models."""

from __future__ import annotations

from pathlib import Path

import click

from producer.cli.measured import compare, evaluate, report
from producer.cli.networks import calibrate, export, import_model
from producer.cli.options import (
    as_json,
    command,
    confirm,
    examples,
    force_option,
    json_option,
    old_word,
    plots_option,
    print_answer,
    report_drawn,
    seldom_option,
    yes_option,
)
from producer.cli.params import MODEL, MODEL_FORM, MODEL_NAME, Parsed
from producer.present.formatting import show_json
from shared.errors import UsageError
from shared.messages.model_name import PRODUCTION
from shared.options import parse_text
from shared.settings import Settings

#: The versions that `rm --unused` keeps unless a number is given.
_KEPT = 3
_alias = seldom_option("--alias", default=PRODUCTION, show_default=True, help="The alias to move.")
_why = click.option(
    "--why", type=Parsed("TEXT", parse_text), default="", help="A reason for the history."
)


@command(
    ("hangtag models list", "every version of every model"),
    ("hangtag models list garments --json", "one model, for a program"),
    name="list",
)
@click.argument("name", required=False, default="", type=MODEL_NAME)
@json_option
def list_models(name: str) -> None:
    """List the versions of all models, or of NAME."""
    from producer.versions import list_versions
    from producer.versions.catalog import Catalog
    from producer.versions.default_model import choice

    settings = Settings.from_env()
    rows = list_versions.rows(Catalog(settings).versions(name))
    if as_json():
        show_json(rows)
        return
    click.echo("\n".join(list_versions.table(rows)))
    if (used := choice(settings)).source:
        click.echo(f"commands use {used.model}; another one with: hangtag models use", err=True)


@command(
    ("hangtag models show garments", "the version in production"),
    ("hangtag models show garments@3 --pictures plots/", "and its plots"),
)
@click.argument("model", type=MODEL, required=False, default="", metavar=f"[{MODEL_FORM}]")
@plots_option
@force_option
@json_option
def show(model: str, plots: Path | None, force: bool) -> None:
    """Show the card of a version.

    It has figures, data, files, and the history of the model's aliases.
    """
    from producer.trainer import show as version_details
    from producer.versions.catalog import Catalog
    from producer.versions.default_model import default_model
    from shared.messages.model_name import parse

    settings = Settings.from_env()
    catalog = Catalog(settings)
    details = catalog.version(parse(model or default_model(settings)))
    written = version_details.write_plots(catalog, details.card, plots, force) if plots else []
    print_answer(details, version_details.lines(details))
    report_drawn(written)


@command(
    ("hangtag models use garments", "for classify, predict, show and evaluate"),
    ("hangtag models use", "which one it is"),
    ("HANGTAG_MODEL=garments@3 hangtag classify photos/", ""),
)
@click.argument("model", type=MODEL, required=False, default="", metavar=f"[{MODEL_FORM}]")
@json_option
def use(model: str) -> None:
    """Choose the model of commands that name none.

    HANGTAG_MODEL overrides the choice. Jobs that have started keep their version.
    """
    from producer.versions import default_model as chosen

    settings = Settings.from_env()
    before = chosen.use(settings, model) if model else ""
    now = chosen.choice(settings)
    if as_json():
        show_json({"model": now.model, "source": now.source})
        return
    because = f" ({now.source})" if now.source else ""
    was = f"; before: {before}" if before and before != now.model else ""
    click.echo(f"commands use {now.model}{because}{was}")
    if model and model != now.model:
        click.echo(f"{now.source} overrides {model}; unset it", err=True)


@command(
    ("hangtag models promote garments@3", "garments is version 3 now"),
    ("hangtag models promote garments@4 --alias canary --why 'a trial'", ""),
)
@click.argument("model", type=MODEL, metavar="NAME@VERSION")
@_alias
@_why
@json_option
def promote(model: str, alias: str, why: str) -> None:
    """Point NAME@production, or another alias, to a version.

    Running jobs keep their version.
    """
    from producer.cli.running import running_request
    from producer.trainer import manage
    from shared.messages.model_name import parse

    with running_request(quiet=True) as (events, stop):
        decided = manage.promote(Settings.from_env(), model, alias, why, events=events, stop=stop)
    promoted = manage.promoted_lines(Settings.from_env(), parse(model).name, decided)
    print_answer(decided, promoted)


@command(("hangtag models rollback garments", "what it was before the last promotion"))
@click.argument("name", type=MODEL_NAME)
@_alias
@_why
@json_option
def rollback(name: str, alias: str, why: str) -> None:
    """Undo the last promotion of a model.

    A second call undoes the one before it.
    """
    from producer.cli.running import running_request
    from producer.trainer import manage

    with running_request(quiet=True) as (events, stop):
        decided = manage.rollback(Settings.from_env(), name, alias, why, events=events, stop=stop)
    print_answer(decided, [manage.moved(name, decided)])


@command(
    ("hangtag models rm garments@2", "one version"),
    ("hangtag models rm garments --yes", "the model, without a question"),
    ("hangtag models rm garments --unused", "old versions that nothing needs"),
    ("hangtag models rm garments --unused --dry-run", "which these are, and why"),
)
@click.argument("model", type=MODEL, metavar="NAME[@VERSION]")
@click.option(
    "--unused", is_flag=True, help="With a NAME alone: delete its old versions that nothing needs."
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=None,
    help=f"With --unused: always keep this number of the newest versions. Default: {_KEPT}.",
)
@click.option("--dry-run", is_flag=True, help="With --unused: only list the versions.")
@yes_option
@json_option
def rm(model: str, unused: bool, keep: int | None, dry_run: bool, yes: bool) -> None:
    """Delete a version, or a model with all its versions.

    Refused while a job or an open request needs it, and for a single version while an alias
    points to it. It cannot be undone.

    With --unused, versions that an alias points to, a job is pinned to or an open request uses
    stay. The others are listed first, with the tables that were made with them.
    """
    settings = Settings.from_env()
    if unused:
        _remove_unused(settings, model, _KEPT if keep is None else keep, dry_run, yes)
    elif keep is not None or dry_run:
        raise UsageError(f"{'--dry-run' if dry_run else '--keep'} is for --unused; give both")
    else:
        _remove(settings, model, yes)


def _remove_unused(settings: Settings, name: str, keep: int, dry_run: bool, yes: bool) -> None:
    from producer.cli.running import running_request
    from producer.present.formatting import counted, size
    from producer.trainer import manage

    with running_request(quiet=True) as (events, stop):
        pruned = manage.remove(settings, name, keep, dry_run=True, events=events, stop=stop)
    asks = not (dry_run or yes)
    if asks or not as_json():
        plan = manage.table(name, pruned)
        click.echo("\n".join(plan), err=as_json())
    if not dry_run:
        if pruned.removed:
            confirm(f"Delete {counted(len(pruned.removed), 'version')} of {name} for good?", yes)
        spared = pruned.kept if asks else {}
        with running_request(quiet=True) as (events, stop):
            pruned = manage.remove(settings, name, keep, spared=spared, events=events, stop=stop)
    print_answer(pruned, [])
    effect = "to be freed" if dry_run else "freed"
    click.echo(
        f"{counted(len(pruned.removed), 'version')}, {size(pruned.freed_bytes)} {effect}", err=True
    )


def _remove(settings: Settings, model: str, yes: bool) -> None:
    from producer.cli.running import running_request
    from producer.present.formatting import counted, size
    from producer.trainer import manage

    if not yes:  # a refusal comes before the question
        with running_request(quiet=True) as (events, stop):
            manage.remove(settings, model, dry_run=True, events=events, stop=stop)
    whole = "" if "@" in model else " with all its versions"
    confirm(f"Delete {model}{whole} for good?", yes)
    with running_request(quiet=True) as (events, stop):
        removed = manage.remove(settings, model, events=events, stop=stop)
    versions = counted(len(removed.removed), "version")
    line = f"{model} is deleted: {versions}, {size(removed.freed_bytes)} freed"
    print_answer(removed, [line])


prune = old_word("prune", rm, "models rm --unused", unused=True)


@click.group(
    epilog=examples(
        ("hangtag models list", "every version and its accuracy"),
        ("hangtag models use garments", "the model of classify and predict"),
        ("hangtag models promote garments@3", "what garments stands for from now on"),
    )
)
def models() -> None:
    """List, use, compare, import, export, delete versions."""


for each in (
    *(list_models, show, use, promote, rollback, rm, prune),
    *(evaluate, compare, report, import_model, calibrate, export),
):
    models.add_command(each)
