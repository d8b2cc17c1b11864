"""Whether a table carries a promise of precision.

A version's thresholds were chosen on its held-out images (one of first labels: on images without a
label), and hold for images like those. So a table with clearly more doubtful or flagged rows than
these had carries no promise: neither of a precision, nor of the share that should be right.

Clearly more: the odds of such a row are more than FACTOR times those of a held-out image, with a
probability of error of 1 in 1,000 (the lower limit of the odds ratio's interval: Woolf, Annals of
Human Genetics 19, 1955, with Haldane's halves). So 10,000 rows do not lose the promise for a
small difference, nor 20 rows by chance, nor rows as doubtful as the held-out images.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.job.acceptance import doubtless_point, is_sure_of_none
from producer.job.job_options import JobOptions
from producer.job.job_properties import JobProperties
from producer.job.snapshot import JobView, properties
from producer.job.totals import AnswerCounts, Withdrawn
from producer.present.formatting import near, percent, typed
from producer.sources.reader import FileReader
from shared.errors import BadMessage
from shared.messages.model_card import IMPORTED, Card, RightOfOthers
from shared.messages.model_name import DEFAULT_NAME, of_folder
from shared.registry.learned_lines import is_of_labels
from shared.registry.registry import Registry
from shared.settings import Settings

OF_OTHERS = "of the images without a name right"
#: Larger odds of a doubtful or flagged row than this many times those of held-out images.
FACTOR = 2.0
#: The quantile of the normal distribution for 99.9 %, one-sided.
Z = 3.0902
#: The share of held-out images that is flagged: the threshold of a detector is set to it
#: (worker/heads/fit_outlier_detector.py); the pixel bounds of Fashion-MNIST flag less.
FLAGGED = 0.02
#: In place of a folder that is not known.
_FOLDER = "DIR"
#: What to do with a model that a person has trained, and with one from elsewhere.
_OWN, _IMPORTED = "add some to its folders", "calibrate it on labelled images"
_LABELS = "name more of them"
OWN_MODEL = "a model has the folder's name"


def range_of(right: RightOfOthers) -> str:
    """The 90 % range of the share, and what it is from."""
    low, high = percent(right.low, 0).removesuffix("%"), percent(right.high, 0)
    return f"{low} to {high}, from {right.drawn:,} drawn by chance"


def sentence(right: RightOfOthers) -> str:
    """The share with its range."""
    return f"{percent(right.share, 0)} {OF_OTHERS} ({range_of(right)})"


class LabelledRows(NamedTuple):
    """The rows of a table that have a label."""

    labelled: int
    doubtful: int  #: flagged ones included
    flagged: int


def withdrawn(
    card: Card, rows: LabelledRows, options: JobOptions, precision: float | None = None
) -> Withdrawn | None:
    """Why the rows of a version carry no promise, and what to do; None: they carry it. `precision`
    is that of `--accept`."""
    why = _withdrawal_reason(card, rows, precision)
    if not why:
        return None
    if is_of_labels(card):
        return Withdrawn(why, typed(["hangtag", "label", _folder(options)]), _LABELS)
    if own := own_model_command(options):
        return Withdrawn(why, own, OWN_MODEL)
    train = typed(["hangtag", "train", _FOLDER])
    if card.name == DEFAULT_NAME:
        return Withdrawn(why, train)
    if card.recipe == IMPORTED:
        command = ["hangtag", "models", "calibrate", card.ref, "--data", _FOLDER]
        return Withdrawn(why, typed(command), _IMPORTED)
    return Withdrawn(why, train, _OWN)


def without_withdrawn(
    answers: AnswerCounts, flagged: int, card: Card, options: JobOptions
) -> AnswerCounts:
    """The answers of a job without what is not promised of them."""
    folder = os.fsdecode(folder_of_job(options))
    if card.source and folder and os.path.realpath(card.source) == os.path.realpath(folder):
        answers = msgspec.structs.replace(answers, learned_by=card.ref)
    rows = LabelledRows(sum(answers.labels.values()), sum(answers.doubtful.values()), flagged)
    accepted = answers.accepted
    why = withdrawn(card, rows, options, accepted.precision if accepted else None)
    if why is None:
        return answers
    if accepted is not None:
        accepted = msgspec.structs.replace(accepted, expected=None)
    return msgspec.structs.replace(answers, precision=None, accepted=accepted, withdrawn=why)


def promised_view(view: JobView, job: JobProperties | None = None) -> JobView:
    """A job without what is not promised of its rows. `job` are its properties, if they are not to
    be read again."""
    if view.answers is None:
        return view
    job, flagged = job or properties(Path(view.output)), sum(view.flagged.values())
    try:
        answers = without_withdrawn(view.answers, flagged, job.card, job.options)
    except BadMessage:  # it was started over meanwhile
        return msgspec.structs.replace(view, answers=None)
    return msgspec.structs.replace(view, answers=answers)


def own_model_command(options: JobOptions) -> str:
    """What classifies a folder with this machine's model of the same name, if the job named no
    model; otherwise empty."""
    folder = os.fsdecode(folder_of_job(options))
    name = of_folder(folder) if os.path.isdir(folder) else ""
    if options.model or not name:
        return ""
    if name not in Registry(Settings.from_env().store_path).names():
        return ""
    return classify_command(options.output, "--model", name, "--restart")


def classify_command(table: str, *more: str) -> str:
    """The command that continues the job of a table, with more options."""
    name = near(table)
    ends = ["--"] if name.startswith("-") else []
    return typed(["hangtag", "classify", *more, *ends, name])


def _folder(options: JobOptions) -> str:
    """As a person types it."""
    folder = folder_of_job(options)
    return near(os.fsdecode(folder)) if os.path.isdir(folder) else _FOLDER


def folder_of_job(options: JobOptions) -> bytes:
    """Where the images of a job are on this machine; empty if they are in several places, or
    elsewhere."""
    return FileReader(options.cwd).local_path(options.roots[0]) if len(options.roots) == 1 else b""


def _withdrawal_reason(card: Card, rows: LabelledRows, precision: float | None) -> str:
    """The reason, as a clause; empty: the promise holds."""
    point, held = doubtless_point(card), card.metrics.heldout_count
    if not card.is_calibrated:
        return f"the confidence of {card.ref} is not calibrated"
    if precision is not None and is_sure_of_none(card, precision):
        return f"at {percent(precision, 0)} {card.ref} is sure of no image without a label"
    if point is None and is_of_labels(card):
        return f"{card.ref} is sure of no image without a label"
    if point is None or not held:
        return f"{card.ref} has no thresholds from held-out images"
    for name, count, usual in (
        ("doubtful", rows.doubtful, 1 - point.accepted),
        ("flagged", rows.flagged, FLAGGED),
    ):
        if _clearly_more(count, rows.labelled, usual, held):
            share = percent(count / rows.labelled)
            others = "images without a label" if is_of_labels(card) else "held-out images"
            return f"{share} are {name}, {percent(usual)} of the {others} were"
    return ""


def _clearly_more(count: int, rows: int, usual: float, held: int) -> bool:
    """Whether `count` of `rows` is clearly more than the share `usual` of `held`."""
    some, others = count + 0.5, rows - count + 0.5
    usual_some, usual_others = usual * held + 0.5, (1 - usual) * held + 0.5
    ratio = math.log(some * usual_others / (others * usual_some))
    error = math.sqrt(1 / some + 1 / others + 1 / usual_some + 1 / usual_others)
    return ratio - Z * error > math.log(FACTOR)
