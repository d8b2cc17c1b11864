"""What people have reached at a page, and the commands that use it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from producer.job.job_options import JobOptions
from producer.job.sealed_journal import SealedJournal
from producer.present.formatting import counted, near, percent, typed
from producer.table.promise import folder_of_job, range_of
from producer.trainer.train import name_of
from shared.errors import HangtagError, UsageError
from shared.labels import labels_file
from shared.labels.class_folders import UNKNOWN, problem_beside
from shared.messages.labelling import Counts
from shared.messages.model_card import Card, RightOfOthers
from shared.messages.training import SMALLEST_CLASS
from shared.registry.learned_lines import is_of_labels

#: Labels that are named of those with too few images.
NAMED = 5
#: Images without a person's label are sorted by the model's if it is right this often, else
#: `unknown`.
ACCEPT = "95%"
#: Images by which the share that is right is measured (worker/labelling/acceptance.py).
LEAST_DRAWN = 24
#: In a command, for the class folders of a model that was not trained here.
CLASS_FOLDERS = "CLASS_FOLDERS"


def heading(counts: Counts, by_folders: int) -> str:
    """What is known so far, above the page. `by_folders` of the named images have a label that no
    person has seen."""
    parts = [", ".join(_named(counts, by_folders)), *_without_label(counts)]
    if _undecided_images(counts) and counts.share is None:
        drawn = f": {counts.drawn} of {LEAST_DRAWN} drawn by chance are decided"
        parts.append(f"not measured yet{drawn if counts.drawn < LEAST_DRAWN else ''}")
    return " · ".join([*parts, *_of_the_others(counts)])


def reached(counts: Counts, by_folders: int, labels: int, file: Path) -> str:
    """One line: what a person has named, and what becomes of the others: with fewer than two labels
    no version can say."""
    named = [*_named(counts, by_folders), counted(labels, "label"), f"in {file}"]
    others = _of_the_others(counts) if labels > 1 else []
    return "; ".join([", ".join(named), *_without_label(counts), *others])


def _named(counts: Counts, by_folders: int) -> list[str]:
    named = f"{counts.named - by_folders:,} of {counted(counts.images, 'image')} named by a person"
    return [named, *([f"{by_folders:,} by their folders"] if by_folders else [])]


def _without_label(counts: Counts) -> list[str]:
    return [f"{counts.without:,} left out or not known"] if counts.without else []


def _undecided_images(counts: Counts) -> int:
    """Images that are neither named nor left out."""
    return counts.images - counts.named - counts.without


def _of_the_others(counts: Counts) -> list[str]:
    """What would be right of them, and where a sort would put them."""
    others = _undecided_images(counts)
    sure = min(counts.sure, others)  # of a head that may not know the last decisions
    if not others:
        return []
    line, which = [], f"{sure:,} of the {others:,} others"
    if counts.share is not None:
        assert counts.low is not None
        assert counts.high is not None
        right = RightOfOthers(counts.drawn, counts.share, counts.low, counts.high)
        share = percent(counts.share, 0)
        line = [f"of the {others:,} others {share} would be right ({range_of(right)})"]
        which = f"{sure:,} of them"
    are, come = "is" if sure == 1 else "are", "comes" if others - sure == 1 else "come"
    unknown = f"{others - sure:,} {come} into {UNKNOWN}/"
    return [*line, f"at {ACCEPT} {which} {are} accepted and {unknown}"]


def unsure(counts: Counts) -> str:
    """A warning if no other image is sure: a version may accept some of kinds without a name."""
    if counts.sure or not _undecided_images(counts):
        return ""
    return (
        f"none of the others is sure at {ACCEPT} yet; some may be of a kind that has no name: "
        "name more before they are sorted"
    )


def small_classes(labels: Mapping[str, int]) -> str:
    """Labels with too few images for a training; empty if none has."""
    small = {label: images for label, images in labels.items() if images < SMALLEST_CLASS}
    if not small or len(labels) < 2:
        return ""
    named = [f"{label} has {counted(n, 'image')}" for label, n in islice(small.items(), NAMED)]
    more = [f"{len(small) - NAMED:,} more have too few"] if len(small) > NAMED else []
    effect = (
        f"a training needs {SMALLEST_CLASS} of each"
        if len(labels) - len(small) < 2
        else f"a label of fewer than {SMALLEST_CLASS} is kept, but not learned"
    )
    remedy = "name more (= shows what is most like one), or merge labels with + on the page"
    return f"{', '.join([*named, *more])}; {effect}: {remedy}"


def after_label(folder: str, file: Path, labels: int, backbone: str = "") -> list[tuple[str, str]]:
    """An aim and the command for it, one after another; none without two labels."""
    if labels < 2:
        return []
    own = [] if file == labels_file.default_path(folder) else [f"--labels={file}"]
    try:
        model, named = name_of(folder), list[str]()
    except UsageError:  # the folder's name cannot be that of a model
        model, named = "photos", ["--name", "photos"]
    if backbone:
        named += ["--backbone", backbone]
    learn = typed(["hangtag", "train", folder, *(own or ["--labels"]), *named])
    return [("learn from them", learn), *steps_after_training(folder, model)]


def steps_after_training(folder: str, model: str) -> list[tuple[str, str]]:
    """Aims and commands for the images of the folder, with the model of its labels."""
    table = f"{model}.csv"
    classify = ["hangtag", "classify", folder, "--model", model, "-o", table, "--accept", ACCEPT]
    sort = ["hangtag", "sort", table, "--into", f"{model}-sorted", "--copy"]
    return [
        ("then classify all", typed(classify)),
        ("then sort them", typed(sort)),
    ]


def after_review(table: Path) -> list[tuple[str, str]]:
    """An aim and the command for it, one after another; none without a decision."""
    try:
        with SealedJournal(table, check=False) as sealed:
            card, options = sealed.card, sealed.options
        rule = problem_beside(card.labels)
        if not labels_file.read(labels_file.of_table(table), rule).so_far.labels():
            return []
    except HangtagError:  # the log or the job was removed beside the page, which has said so
        return []
    taken = ("take them into the table", typed(["hangtag", "table", str(table)]))
    return [taken, learning(card, options, table)]


def learning(card: Card, options: JobOptions, table: Path) -> tuple[str, str]:
    """An aim, and the command that learns from the decisions."""
    folder = folder_of_job(options)
    if is_of_labels(card) and os.path.isdir(folder):
        label = typed(["hangtag", "label", near(os.fsdecode(folder)), "--from", str(table)])
        return "add them to the labels to learn from", label
    data = _data(card)
    whose = f", with your own folders for {CLASS_FOLDERS}" if data == [CLASS_FOLDERS] else ""
    train = typed(["hangtag", "train", *data, "--corrections", str(table)])
    return f"learn from them{whose}", train


def _data(card: Card) -> list[str]:
    """The class folders of a version, and its name where the folder has another one."""
    if not os.path.isdir(card.source):
        return [CLASS_FOLDERS]
    try:
        named = [] if name_of(card.source) == card.name else ["--name", card.name]
    except UsageError:
        named = ["--name", card.name]
    return [near(card.source), *named]
