"""The options that only display a job's answers. Other ones render the table again, and classify
nothing; the journal stores them, so that `verify` renders the same table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from producer.job.acceptance import Acceptance, for_table, from_confidence
from producer.job.columns import Table, table_columns
from producer.job.job_options import ALL, JobOptions
from producer.job.job_properties import JobProperties, Pinned
from producer.job.row_batch import Rules
from producer.table.person_labels import PersonLabels, too_few
from shared.errors import UsageError
from shared.labels import labels_file
from shared.messages.model_card import Card

#: The property of a job that holds them.
DISPLAY = "display"
#: As `corrections`: all that there are when the table is rendered.
ALL_CORRECTIONS = -1


class Threshold(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What accepts a label. Without a value every label is accepted, also that of a flagged row."""

    precision: float | None = None  #: of the card's operating points
    confidence: float | None = None


class DisplayOptions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a table displays answers. None: as before, and at first the default."""

    threshold: Threshold | None = None
    top_k: int | None = None  #: at most that of the job
    probabilities: bool | None = None
    columns: tuple[str, ...] | None = None  #: after the path; empty: the default
    #: The corrections of people that the table has: bytes of their log, which only grows. 0: none.
    corrections: int | None = None

    def completed_by(self, before: DisplayOptions) -> DisplayOptions:
        """These options, and for those that are None the options before."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name))
                 is not None}  # fmt: skip
        return msgspec.structs.replace(before, **given)


def stored_display(job: JobProperties) -> DisplayOptions:
    """The options in a job's journal. Raises BadMessage."""
    return job.decoded(DISPLAY, DisplayOptions, DisplayOptions())


def acceptance(card: Card, display: DisplayOptions) -> Acceptance | None:
    """What accepts the labels of a version; None: all are accepted.

    Raises:
        UsageError: the card has no threshold for the precision.
    """
    threshold = display.threshold or Threshold()
    if threshold.precision is not None:
        return for_table(card, threshold.precision)
    if threshold.confidence is not None:
        return from_confidence(card, threshold.confidence)
    return None


def make_table(job: Pinned, display: DisplayOptions) -> Table:
    """What the table of a job displays.

    Raises:
        UsageError: the journal has fewer labels than the options display, or the card no threshold.
        SetupError: the log of corrections is damaged.
    """
    card, has = job.card, job.record.top_k
    top_k = display.top_k or job.options.top_k or 1
    probabilities = display.probabilities
    if probabilities is None:
        probabilities = job.options.probabilities or False
    wanted = len(card.labels) if probabilities else min(top_k, len(card.labels))
    if wanted > has:
        option = "--probabilities" if probabilities else f"--top-k {top_k}"
        raise UsageError(
            f"the job has {has} of {len(card.labels)} labels for each image; for more start it "
            f"over with: hangtag classify {option} --restart"
        )
    given_labels = None
    if display.corrections:
        given_labels = PersonLabels(Path(job.options.output), display.corrections, card.labels)
    rules = Rules(acceptance(card, display), given_labels)
    columns = table_columns(card, rules, top_k, probabilities, display.columns or ())
    return Table(columns, rules, job.record, card)


def table_of(job: JobProperties) -> Table:
    """What the table of a job displays, with the options in its journal. Raises as `make_table`."""
    return make_table(Pinned(job.record, job.card, job.options), stored_display(job))


def lacks_corrections(job: JobProperties) -> bool:
    """Whether people have decided something since the table was written. Raises as `make_table`."""
    size = labels_file.complete_size(labels_file.of_table(Path(job.options.output)))
    return size > (stored_display(job).corrections or 0)


def with_current_corrections(
    display: DisplayOptions, output: Path, before: DisplayOptions
) -> DisplayOptions:
    """The options with the corrections that there are now, for a table with the options `before`.

    Raises:
        SetupError: the log is damaged, or has fewer corrections than the table.
    """
    if display.corrections != ALL_CORRECTIONS:
        return display
    size = labels_file.complete_size(labels_file.of_table(output))
    if size < (before.corrections or 0):
        raise too_few(output)
    return msgspec.structs.replace(display, corrections=size)


def asked_again(display: DisplayOptions) -> dict[str, Any]:
    """The fields of a job that ask for these options, other than corrections."""
    given: dict[str, Any] = {
        "top_k": display.top_k, "probabilities": display.probabilities, "columns": display.columns,
    }  # fmt: skip
    if (threshold := display.threshold) is not None:
        is_share = threshold.confidence is not None
        given["min_confidence"] = threshold.confidence
        given["accept"] = None if is_share else threshold.precision or ALL
    return {field: value for field, value in given.items() if value is not None}


def asked_display(options: JobOptions, corrections: int | None = None) -> DisplayOptions:
    """The display options that are asked for.

    Raises:
        UsageError: two of them are thresholds.
    """
    accept, least = options.accept, options.min_confidence
    if accept is not None and least is not None:
        raise UsageError("--accept and --min-confidence are two kinds of threshold; give one")
    threshold = None
    if least is not None:
        threshold = Threshold(confidence=least)
    elif accept is not None:
        threshold = Threshold(precision=None if isinstance(accept, str) else accept)
    return DisplayOptions(
        threshold, options.top_k, options.probabilities, options.columns, corrections
    )
