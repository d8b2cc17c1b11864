"""`hangtag review`: serves the page of one table until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from producer.pages.thumbnails import Thumbnails
from producer.people import serving
from producer.people.answer_arrays import Answers
from producer.people.table_decisions import TableDecisions
from producer.people.table_queue import TableQueue, ViewKind
from producer.present.progress import Stages, make_progress
from producer.sources import row_files
from producer.versions.catalog import learned_labels
from shared.errors import BrokerAway, SetupError, UsageError
from shared.messages.files import printable
from shared.messages.model_card import Card
from shared.settings import Settings


def serve(
    settings: Settings,
    output: Path,
    *,
    port: int = 0,
    kind: ViewKind = ViewKind.DOUBTFUL,
    label: str = "",
    folder: str = "",
    open_browser: bool = False,
    on_ready: serving.Ready,
) -> None:
    """Serve the review of a table. `port` 0: a free one.

    Raises:
        UsageError: there is nothing to review, or the port is taken.
        SetupError: a package is missing, or the journal cannot be read.
    """
    serving.check_installed("the review page")
    answers = _read_answers(output)
    if label and label not in answers.card.labels:
        raise UsageError(
            f"{answers.card.ref} has no label {label!r:.80}; it has: "
            f"{', '.join(answers.card.labels)}"
        )
    folders = sorted(map(printable, answers.folder_names))
    if folder and folder not in folders:
        names = f"it has: {', '.join(folders)}" if folders else "its images are in no class folders"
        raise UsageError(f"{output.name} has no folder {folder!r:.80}; {names}")
    learned, lack = _learned(settings, answers.card)
    with row_files.of_table(output, answers.options) as files:
        decisions = TableDecisions(answers, output, serving.user(), files, learned)
        file = decisions.file
        notes = [*lack, *serving.unproven(file.path, file.unnumbered)]
        wanted = {"kind": str(kind), "label": label, "folder": folder}
        view = urlencode({k: v for k, v in wanted.items() if v})
        with Thumbnails() as thumbnails:
            queue = TableQueue(output, answers, decisions, thumbnails)
            serving.serve(
                queue, port, lambda link: on_ready(link, len(answers), notes), open_browser,
                view=f"#{view}",
            )  # fmt: skip


def _read_answers(output: Path) -> Answers:
    progress = Stages(make_progress())
    progress.stage("reading rows", 0)
    try:
        return Answers(output, progress.reached)
    finally:
        progress.close()


def _learned(settings: Settings, card: Card) -> tuple[set[str], list[str]]:
    """The SHA-256 of the images that people decided about and the version has learned, and what to
    say if they are not known."""
    try:
        return {file.sha256 for file in learned_labels(settings, card)}, []
    except (SetupError, BrokerAway) as error:
        return set(), [f"decisions that {card.ref} has learned count as others do: {error}"]
