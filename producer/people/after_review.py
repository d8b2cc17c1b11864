"""What to do with the decisions of a review, once it has ended."""

from __future__ import annotations

import os
from pathlib import Path

from producer.inputs.job_options import JobOptions
from producer.journal.sealed_journal import SealedJournal
from producer.models.train import name_of
from producer.present.formatting import near, typed
from producer.summary.promise import folder_of_job
from shared.errors import HangtagError, UsageError
from shared.labels import labels_file
from shared.labels.class_folders import problem_beside
from shared.messages.model_card import Card
from shared.registry.learned_lines import is_of_labels

#: In a command, for the class folders of a model that was not trained here.
CLASS_FOLDERS = "CLASS_FOLDERS"


def next_steps(table: Path) -> list[tuple[str, str]]:
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
