"""Resolves what is asked of a job: its table, its model, and what contradicts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from producer.job.job_options import JobOptions
from producer.job.journal import journal_path
from producer.job.snapshot import is_running, properties, read_snapshot, stored_options
from producer.present.formatting import typed
from producer.table.display_options import asked_again, asked_display, stored_display
from producer.table.output_path import checked_output, default_output
from producer.table.table_formats import BY_SUFFIX, format_of
from producer.versions.catalog import Catalog
from producer.versions.default_model import default_model
from shared.errors import BadMessage, BrokerAway, HangtagError, UsageError
from shared.messages.model_name import parse
from shared.options import defaults_of, options_of
from shared.settings import Settings

#: What the job of a table was asked.
_OF_TABLE = (
    *("roots", "cwd", "glob", "archives", "list_file", "list0", "model", "runtime", "transport"),
    *("top_k", "probabilities", "max_failures"),
)
_THRESHOLDS = {"accept", "min_confidence"}


def resolved(options: JobOptions, settings: Settings) -> JobOptions:
    """The options with the path of the table, and with the chosen model if none is named. A table
    that is named in place of images stands for the options of its job.

    Raises:
        UsageError: two options contradict each other, or the name of the model or of the table is
            invalid.
        SetupError: there is no such model, and the job of this table has another.
    """
    if options.restart and options.retry_failed:
        raise UsageError("--restart repeats every row, --retry-failed the failed ones; give one")
    if options.restart and (options.update or options.watch):
        raise UsageError("--restart starts over, --update adds to the table; give one")
    asked_display(options)
    if table := _table(options):
        return _of_table(options, table)
    model = options.model or default_model(settings)
    parse(model)
    typed_output = options.output or default_output(options.roots, options.list_file)
    output = checked_output(typed_output, BY_SUFFIX)
    if options.model and not options.restart:
        _check_model(model, output, settings)
    return msgspec.structs.replace(
        options, cwd=os.getcwdb(), output=output, model=model, form=format_of(output)
    )


def _table(options: JobOptions) -> str:
    """The table of a job that is named in place of images; or empty. Raises UsageError if there is
    anything else beside it."""
    for root in options.roots:
        table = os.fsdecode(root)
        if os.path.exists(journal_path(table)) and not os.path.isdir(table):
            if len(options.roots) > 1 or options.output:
                raise UsageError(
                    f"{table} is the table of a job; name a folder of images, or continue the job "
                    f"with: {typed(['hangtag', 'classify', table])}"
                )
            return table
    return ""


def _of_table(options: JobOptions, table: str) -> JobOptions:
    """The options of the job of a table, and those that are given. Raises UsageError, SetupError,
    as `stored_options`."""
    output = os.path.abspath(table)
    if is_running(Path(output)) and read_snapshot(Path(output)) is None:
        return msgspec.structs.replace(options, roots=(), output=output)  # it is starting
    known = stored_options(Path(output))
    if options.restart and known.is_piped:
        raise UsageError(
            f"the images of {table} are a list from standard input; give it again to start over"
        )
    defaults = defaults_of(JobOptions)
    given = {field: getattr(options, field) for field in options_of(JobOptions)}
    asked = {field: value for field, value in given.items() if value != defaults[field]}
    fields = {field: getattr(known, field) for field in _OF_TABLE}
    fields |= _displayed(Path(output), asked) if options.restart else {}
    fields |= asked
    parse(fields["model"])
    return JobOptions(output=output, form=format_of(output), **fields)


def _displayed(output: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """How the table displays answers, which a restart would forget; without its threshold if
    another one is given."""
    with suppress(BadMessage):
        fields = asked_again(stored_display(properties(output)))
        threshold = _THRESHOLDS if given.keys() & _THRESHOLDS else set()
        return {field: value for field, value in fields.items() if field not in threshold}
    return {}


def _check_model(model: str, output: str, settings: Settings) -> None:
    """Raise SetupError for a model that does not exist, where the job of this output has another:
    the typing error counts, not the difference."""
    try:
        known = stored_options(Path(output))
    except HangtagError:  # what opens the journal reports it
        return
    if parse(model) != parse(known.model):
        with suppress(BrokerAway):  # then the difference is reported
            Catalog(settings).version(parse(model))
