"""`hangtag models compare`: classifies a folder with two versions, where that is missing, and
compares the tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from producer.compare.tables import Compared, compare_tables
from producer.inputs.job_options import JobOptions
from producer.jobs.run import Summary
from producer.models.load_catalog import load_catalog
from producer.models.show import find
from producer.output.output_path import checked_output
from producer.pages import page
from producer.present.formatting import near
from shared.errors import COMPLETE, SetupError, UsageError
from shared.messages.model_name import parse
from shared.settings import Settings

#: Classifies with these options. Raises what `producer.jobs.classify` does.
Classify = Callable[[JobOptions], Summary]


def compare_versions(
    models: tuple[str, str],
    folder: bytes,
    settings: Settings,
    classify: Classify,
    output: Path | None = None,
    *,
    force: bool = False,
    quiet: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Compared:
    """Compare two versions on a folder. Each has a table in the current folder, named after the
    folder and the version; an interrupted one is resumed, a finished one is used again.

    Raises:
        UsageError: both names are the same version, or there is no such folder.
        SetupError: there is no such version, or a job could not be finished.
    """
    if output is not None:
        page.check(output, page.Kind.COMPARISON, force)
    folder = folder.rstrip(b"/") or b"/"  # so that a typed slash makes no other job
    catalog = load_catalog(settings)
    refs = [find(catalog, parse(model)).card.ref for model in models]
    if refs[0] == refs[1]:
        raise UsageError(f"{models[0]} and {models[1]} are both {refs[0]}; name two versions")
    tables = []
    for ref in refs:
        table = table_of(folder, ref)
        report(f"classifying {os.fsdecode(folder)} with {ref} -> {near(table)}")
        _check_complete(classify(_options(folder, ref, table)))
        tables.append(table)
    return compare_tables(tables[0], tables[1], output, force=force, quiet=quiet)


def table_of(folder: bytes, ref: str) -> str:
    """The table of a version, in the current folder."""
    name = os.path.basename(os.path.abspath(folder)) or b"root"
    return checked_output(f"{os.fsdecode(name)}.{ref}.csv")


def _options(folder: bytes, ref: str, table: str) -> JobOptions:
    return JobOptions(roots=(folder,), cwd=os.getcwdb(), output=table, model=ref)


def _check_complete(summary: Summary) -> None:
    if summary.exit_code not in COMPLETE:
        raise SetupError(
            f"{near(summary.view.output)} is not complete; run the same command again to resume it"
        )
