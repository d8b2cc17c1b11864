"""Commands for models: list, show, promote, rollback, evaluate, prune, import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from producer.cli.examples import examples
from producer.cli.names import MODEL, MODEL_FORM, MODEL_NAME
from producer.cli.params import ShareParam
from producer.output.formatting import show_json
from shared.messages.model_name import PRODUCTION
from shared.messages.requests import PRECISIONS, PROMOTE
from shared.settings import Settings

_alias = click.option("--alias", default=PRODUCTION, show_default=True, help="The alias to move.")
_why = click.option("--why", default="", metavar="TEXT", help="A reason for the history.")
_force = click.option("--force", is_flag=True, help="Replace existing plots.")
_quiet = click.option("--quiet", is_flag=True, help="Do not show progress.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
_pictures = click.option(
    "--pictures", type=click.Path(path_type=Path), metavar="DIR", help="Write its plots to DIR."
)


@click.group(
    epilog=examples(
        ("hangtag models list", "every version and its accuracy"),
        ("hangtag models promote garments@3", "what garments stands for from now on"),
    )
)
def models() -> None:
    """List, compare, promote and import versions."""


@models.command(
    "list",
    epilog=examples(
        ("hangtag models list", "every version of every model"),
        ("hangtag models list garments --json", "one model, for a program"),
    ),
)
@click.argument("name", required=False, default="", type=MODEL_NAME)
@_json
def list_models(name: str, as_json: bool) -> None:
    """List the versions of all models, or of NAME."""
    from producer.models import list_versions
    from producer.models.catalog import load_catalog

    rows = list_versions.rows(load_catalog(Settings.from_env()), name)
    if as_json:
        show_json(rows)
    else:
        click.echo("\n".join(list_versions.table(rows)))


@models.command(
    epilog=examples(
        ("hangtag models show garments", "the version in production"),
        ("hangtag models show garments@3 --pictures plots/", "and its plots"),
    )
)
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@_pictures
@_force
@_json
def show(model: str, pictures: Path | None, force: bool, as_json: bool) -> None:
    """Show the card of a version.

    It has figures, data, files, and the history of the model's aliases.
    """
    from producer.models import show as work
    from producer.models.catalog import load_catalog
    from shared.messages.model_name import parse

    catalog = load_catalog(Settings.from_env())
    details = work.find(catalog, parse(model))
    written = work.write_plots(catalog, details.card, pictures, force) if pictures else []
    if as_json:
        show_json(details)
    else:
        click.echo("\n".join(work.lines(details)))
    _report_drawn(written)


@models.command(
    epilog=examples(
        ("hangtag models promote garments@3", "garments is version 3 now"),
        ("hangtag models promote garments@4 --alias canary --why 'a trial'", ""),
    )
)
@click.argument("model", type=MODEL, metavar="NAME@VERSION")
@_alias
@_why
@_json
def promote(model: str, alias: str, why: str, as_json: bool) -> None:
    """Point NAME@production, or another alias, to a version.

    Running jobs keep their version.
    """
    from producer.models import manage
    from shared.messages.model_name import parse

    decided = manage.promote(Settings.from_env(), model, alias, why)
    _show(decided, [manage.moved(parse(model).name, decided)], as_json)


@models.command(
    epilog=examples(
        ("hangtag models rollback garments", "what it was before the last promotion"),
    )
)
@click.argument("name", type=MODEL_NAME)
@_alias
@_why
@_json
def rollback(name: str, alias: str, why: str, as_json: bool) -> None:
    """Undo the last promotion of a model.

    A second call undoes the one before it.
    """
    from producer.models import manage

    decided = manage.rollback(Settings.from_env(), name, alias, why)
    _show(decided, [manage.moved(name, decided)], as_json)


@models.command(
    epilog=examples(
        ("hangtag models evaluate garments", "on the data that it was made for"),
        ("hangtag models evaluate garments@3 --data photos/ --pictures plots/", ""),
    )
)
@click.argument("model", type=MODEL, metavar=MODEL_FORM)
@click.option(
    "--data",
    default=None,
    metavar="fashion-mnist|DIR",
    help="A folder with one subfolder for each class, named like the model's labels. Default: the "
    "data that the version was trained on.",
)
@click.option(
    "--max-unreadable",
    type=ShareParam(),
    default=0.05,
    show_default=True,
    help="Fail if a larger share of the files cannot be read as images.",
)
@_pictures
@_force
@_quiet
@_json
def evaluate(model: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Measure a version on labelled images.

    The figures are accuracy, loss, calibration error, and those of every class.
    The request is queued like a training and runs on the trainer's machine.
    """
    from producer.models import evaluate as evaluate_

    measured = evaluate_.evaluate(Settings.from_env(), model, quiet=quiet or as_json, **given)
    _show(measured.evaluated, evaluate_.lines(measured.evaluated), as_json)
    _report_drawn(measured.written)


@models.command(
    epilog=examples(
        ("hangtag models prune garments --dry-run", "what would be removed, and why not"),
        ("hangtag models prune garments --keep 5", ""),
    )
)
@click.argument("name", type=MODEL_NAME)
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Always keep this number of the newest versions.",
)
@click.option("--dry-run", is_flag=True, help="Only list the versions that would be removed.")
@_json
def prune(name: str, keep: int, dry_run: bool, as_json: bool) -> None:
    """Delete old versions that nothing needs.

    Versions that an alias points to or a job is pinned to stay.
    """
    from producer.models import manage
    from producer.output.formatting import counted, size

    pruned = manage.prune(Settings.from_env(), name, keep, dry_run)
    _show(pruned, manage.table(name, pruned, dry_run), as_json)
    effect = "to be freed" if dry_run else "freed"
    click.echo(
        f"{counted(len(pruned.removed), 'version')}, {size(pruned.freed_bytes)} {effect}", err=True
    )


@models.command(
    "import",
    epilog=examples(
        ("hangtag models import mine.keras --labels labels.txt --name mine", ""),
        ("hangtag models import my.keras --labels labels.txt --name my --data images/", ""),
    ),
)
@click.argument("file", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The labels in the order of the network's outputs, one per line, UTF-8.",
)
@click.option(
    "--name", required=True, type=MODEL_NAME, help="The model that the new version belongs to."
)
@click.option(
    "--scale",
    type=click.Choice(("0-255", "0-1", "-1-1")),
    default="0-255",
    show_default=True,
    help="The network's input range. Use 0-255 if the network rescales its input itself.",
)
@click.option(
    "--data",
    default="",
    metavar="fashion-mnist|DIR",
    help="Labelled images for calibration and evaluation.",
)
@click.option(
    "--promote",
    type=click.Choice(PROMOTE),
    default="never",
    show_default=True,
    help="When to point NAME@production to the new version. The first version always gets it.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=PRECISIONS[0],
    show_default=True,
    help="What workers load. auto: int8, which is faster, if labelled images show no measurable "
    "loss.",
)
@_quiet
@_json
def import_model(file: Path, labels: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Publish a Keras classifier that was trained elsewhere.

    The file is checked before Keras loads it: layers that could run code are refused.
    """
    from producer.models import import_model as import_model_

    settings = Settings.from_env()
    trained = import_model_.import_model(settings, file, labels, quiet=quiet or as_json, **given)
    _show(trained, import_model_.lines(trained), as_json)


COMMANDS = (models,)


def _show(answer: object, lines: Any, as_json: bool) -> None:
    if as_json:
        show_json(answer)
    else:
        click.echo("\n".join(lines))


def _report_drawn(written: list[Path]) -> None:
    if written:
        click.echo(f"drawn: {', '.join(map(str, written))}", err=True)
