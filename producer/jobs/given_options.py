"""The options of a job from what a person gives, at the prompt or in Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from producer.formats.table_formats import BY_SUFFIX, format_of
from producer.inputs.job_options import JobOptions
from producer.journal.journal import journal_path
from producer.journal.snapshot import stored_options
from producer.models.default_model import default_model
from producer.models.load_catalog import load_catalog
from producer.output.output_path import checked_output, default_output
from producer.present.formatting import typed
from shared import runtimes
from shared.errors import BrokerAway, HangtagError, UsageError
from shared.messages.files import AUTO
from shared.messages.model_name import parse
from shared.settings import Settings


class GivenOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is given of a job; the rest has its default."""

    roots: tuple[bytes, ...] = ()
    output: str = ""  #: empty: named like the folder, in the current one
    globs: tuple[str, ...] = ()
    list_file: bytes = b""
    list0: bool = False
    model: str = ""  #: empty: the chosen one
    runtime: str = runtimes.DEFAULT.name
    transport: str = AUTO
    top_k: int | None = None
    probabilities: bool | None = None
    restart: bool = False
    retry_failed: bool = False
    update: bool = False
    archives: bool = False  #: those in folders are opened


def make_options(given: GivenOptions, settings: Settings) -> JobOptions:
    """The options of a job, with the chosen model.

    Raises:
        UsageError: two options contradict each other, the name of the model or of the table is
            invalid, or a table is given instead of images.
        SetupError: there is no such model, and the job of this table has another.
    """
    if given.restart and given.retry_failed:
        raise UsageError("--restart repeats every row, --retry-failed the failed ones; give one")
    if given.restart and given.update:
        raise UsageError("--restart starts over, --update adds to the table; give one")
    _check_no_table(given.roots)
    model = given.model or default_model(settings)
    parse(model)
    typed_output = given.output or default_output(given.roots, given.list_file)
    output = checked_output(typed_output, BY_SUFFIX)
    if given.model and not given.restart:
        _check_model(model, output, settings)
    return JobOptions(
        roots=given.roots,
        cwd=os.getcwdb(),
        output=output,
        glob=given.globs,
        list_file=given.list_file,
        list0=given.list0,
        model=model,
        form=format_of(output),
        runtime=given.runtime,
        top_k=given.top_k or 1,
        probabilities=bool(given.probabilities),
        transport=given.transport,
        archives=given.archives,
    )


def _check_no_table(roots: Sequence[bytes]) -> None:
    for root in roots:
        table = os.fsdecode(root)
        if os.path.exists(journal_path(table)):
            raise UsageError(
                f"{table} is the table of a job; name a folder of images, or show the table with: "
                f"{typed(['hangtag', 'report', table])}"
            )


def _check_model(model: str, output: str, settings: Settings) -> None:
    """Raise SetupError for a model that does not exist, where the job of this output has another:
    the typing error counts, not the difference."""
    try:
        known = stored_options(Path(output))
    except HangtagError:  # what opens the journal reports it
        return
    if parse(model) != parse(known.model):
        with suppress(BrokerAway):  # then the difference is reported
            load_catalog(settings).version(parse(model))
