"""The options that only display a job's answers. Other ones render the table again, and classify
nothing; the journal stores them, so that `verify` renders the same table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from producer.journal.job_properties import JobProperties, Pinned
from producer.rendering.person_labels import PersonLabels, log_of, too_few
from producer.rows.acceptance import Acceptance, for_table, from_confidence
from producer.rows.columns import CHOICES, COLUMNS, Table, table_columns
from producer.rows.row_batch import Rules
from shared.errors import MISFITS, BadMessage, UsageError
from shared.labels import labels_file
from shared.messages.model_card import Card

#: The property of a job that holds them.
DISPLAY = "display"
#: As `corrections`: all that there are when the table is rendered.
ALL_CORRECTIONS = -1
#: Resets an option to its default.
ALL = "all"
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d+)?)%?", re.ASCII)


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

    def over(self, before: DisplayOptions) -> DisplayOptions:
        """These options, and for those that are None the options before."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name))
                 is not None}  # fmt: skip
        return msgspec.structs.replace(before, **given)


def encode_display(display: DisplayOptions) -> bytes:
    """JSON."""
    return msgspec.json.encode(display)


def stored_display(job: JobProperties) -> DisplayOptions:
    """The options in a job's journal. Raises BadMessage."""
    try:
        return msgspec.json.decode(job.get(DISPLAY) or b"{}", type=DisplayOptions)
    except MISFITS as error:
        raise BadMessage(
            f"the display options in the job's journal cannot be read ({error}); "
            "update Hangtag here, or start over with --restart"
        ) from error


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
    top_k = display.top_k or job.options.top_k
    probabilities = display.probabilities
    if probabilities is None:
        probabilities = job.options.probabilities
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
    size = labels_file.complete_size(log_of(Path(job.options.output)))
    return size > (stored_display(job).corrections or 0)


def as_of_now(display: DisplayOptions, output: Path, before: DisplayOptions) -> DisplayOptions:
    """The options with the corrections that there are now, for a table with the options `before`.

    Raises:
        SetupError: the log is damaged, or has fewer corrections than the table.
    """
    if display.corrections != ALL_CORRECTIONS:
        return display
    size = labels_file.complete_size(log_of(output))
    if size < (before.corrections or 0):
        raise too_few(output)
    return msgspec.structs.replace(display, corrections=size)


def threshold_of(accept: float | str | None, min_confidence: float | None) -> Threshold | None:
    """The threshold of a precision, or `all`, and of a confidence; None without either.

    Raises:
        UsageError: both are given.
    """
    if accept is not None and min_confidence is not None:
        raise UsageError("--accept and --min-confidence are two kinds of threshold; give one")
    if min_confidence is not None:
        return Threshold(confidence=min_confidence)
    if accept is None:
        return None
    return Threshold(precision=None if isinstance(accept, str) else accept)


def parse_accept(text: str) -> float | str:
    """A precision in percent as a share; `all` as it is.

    Raises:
        ValueError: it is neither.
    """
    if text == ALL:
        return text
    match = _PERCENT.fullmatch(text)
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r} is neither a percentage, for example 95%, nor all")
    percent = float(match[1])
    if percent < 1:
        meant = f"{100 * percent:g}" if percent >= 0.01 and "%" not in text else "95"
        raise ValueError(f"{text} is less than 1%; for example write {meant}%")
    return percent / 100


def parse_columns(text: str) -> tuple[str, ...]:
    """The columns after the path, from a list with commas; empty for `all`.

    Raises:
        ValueError: there is no such column, it is named twice, or there is only the path.
    """
    return chosen_columns([name.strip() for name in text.split(",")])


def chosen_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns after the path, from their names. Raises as `parse_columns`."""
    if list(names) == [ALL]:
        return ()
    chosen = names[1:] if names[:1] == [COLUMNS[0]] else names
    if not chosen:
        raise ValueError(f"name a column after {COLUMNS[0]}, or {ALL}")
    _check_columns(chosen)
    return tuple(chosen)


def _check_columns(chosen: Sequence[str]) -> None:
    for name in chosen:
        if name == COLUMNS[0]:
            raise ValueError(f"{name} is always the first column")
        if name not in CHOICES:
            raise ValueError(
                f"there is no column {name!r}; choose from {','.join(CHOICES)}, or all"
            )
        if chosen.count(name) > 1:
            raise ValueError(f"{name} is given twice")
