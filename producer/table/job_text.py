"""What came out of a job, a training or a sort, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from producer.job.totals import AnswerCounts, Withdrawn
from producer.present import style
from producer.present.formatting import (
    counted,
    duration,
    near,
    one_line,
    percent,
    typed,
    undo_command,
)
from producer.present.style import (
    Figure,
    LabelBar,
    columns,
    doubtful,
    figures,
    fitted_lines,
    good,
    label_bars,
    next_commands,
    paragraphs,
)
from producer.table.answer_counter import (
    accuracy_figure,
    chance_line,
    few_images_line,
    weakest_lines,
)
from producer.table.promise import OF_OTHERS, range_of
from shared.errors import Exit
from shared.labels.class_folders import FLAGGED, RESERVED, UNKNOWN
from shared.messages.model_card import Metrics
from shared.messages.replies import Evaluation, Trained

#: The parts of a version's evaluation: the test images say what to expect, if there are any.
HELDOUT, TEST = "heldout", "test"
#: The agreement with folders is displayed if at least one row of these has a label's folder.
_JUDGED_OF = 100
#: The standard error of fewer held-out images is larger than most differences between versions.
FEW_HELDOUT = 200
_FILES = {"copy": "copied image", "link": "linked image", "move": "moved image"}
_DONE = {"copy": "copied", "link": "linked", "move": "moved", "": "taken back"}


def accepted_lines(answers: AnswerCounts, room: int | None = None) -> list[str]:
    """How many rows are accepted, and what share of them should be right; empty without a
    threshold. A line has at most `room` columns."""
    accepted = figures(_accepted(answers), room)
    return [*accepted, *withdrawn_lines(answers, room)] if accepted else []


def withdrawn_notice(withdrawn: Withdrawn) -> str:
    """Why nothing is promised of the rows, and what to do, as one line."""
    return "; ".join(_withdrawn(withdrawn)) + f": {withdrawn.train}"


def _withdrawn(withdrawn: Withdrawn) -> tuple[str, str]:
    """Why nothing is promised, and what the command is for."""
    known = f"the model may not know such images; {withdrawn.advice}"
    return f"no precision is promised: {withdrawn.why}", known


def withdrawn_lines(answers: AnswerCounts, room: int | None = None) -> list[str]:
    """Why nothing is promised of the rows, and what to do; empty if the promises hold."""
    withdrawn = answers.withdrawn
    if withdrawn is None:
        return []
    why, known = _withdrawn(withdrawn)
    lines = style.wrapped("", why, room).split("\n")
    return [*map(style.doubtful, lines), *next_commands([(known, withdrawn.train)])]


def answer_lines(
    answers: AnswerCounts, flagged: Mapping[str, int], room: int | None = None
) -> list[str]:
    """Labels as bars, then accepted or doubtful, flagged and failed rows, and the agreement with
    the folders' names. A line has at most `room` columns."""
    doubtful = {} if answers.accepted else answers.doubtful  # one precision is enough
    bars = [
        LabelBar(label, count, doubtful.get(label, 0)) for label, count in answers.labels.items()
    ]
    lines = [
        *_accepted(answers),
        *_doubtful(answers),
        *_flagged(flagged),
        *_failed(answers),
        *_as_folder(answers),
    ]
    return paragraphs(label_bars(bars), figures(lines, room), withdrawn_lines(answers, room))


def _accepted(answers: AnswerCounts) -> list[Figure]:
    accepted = answers.accepted
    if accepted is None:
        return []
    if accepted.precision is None:
        rule = f"--min-confidence {accepted.min_confidence:g}"
        expected = percent(accepted.expected)
        is_bound = expected.startswith(("<", ">"))
        right = expected if is_bound else f"about {expected}"
    else:
        precision = f"{accepted.precision:.0%}"
        rule, right = f"--accept {precision}", f"at least {precision}"
    share = percent(accepted.images / max(answers.rows, 1))
    promised = accepted.images and accepted.expected is not None
    promise = f"; {right} should be right" if promised else ""
    detail = f"{share} of all{promise} ({rule})"
    return [Figure(f"{accepted.images:,}", "accepted", detail, style.good)]


def _doubtful(answers: AnswerCounts) -> list[Figure]:
    count = sum(answers.doubtful.values())
    if answers.accepted or not count:
        return []
    if answers.withdrawn is not None:
        why = "flagged, or a confidence too low"
    elif answers.precision is None:
        why = "this version's card has no confidence from which answers are accepted"
    else:
        precision = f"{answers.precision:.0%}"
        why = f"flagged, or a confidence too low for {precision} precision"
    return [Figure(f"{count:,}", "doubtful", why, style.doubtful)]


def _flagged(flagged: Mapping[str, int]) -> list[Figure]:
    if not flagged:
        return []
    kinds = ", ".join(f"{count:,} {flag}" for flag, count in flagged.items())
    total = sum(flagged.values())
    return [Figure(f"{total:,}", "flagged", f"{kinds} (column flag)", style.doubtful)]


def _failed(answers: AnswerCounts) -> list[Figure]:
    return [
        Figure(f"{failures.count:,}", status, f"first: {one_line(failures.first)}", style.failed)
        for status, failures in answers.failures.items()
    ]


def _as_folder(answers: AnswerCounts) -> list[Figure]:
    judged = answers.in_label_folders
    if judged * _JUDGED_OF < max(answers.rows, 1):
        return []  # a folder that has a label's name by chance
    share, right = percent(answers.as_folder / judged), f"{answers.as_folder:,} of {judged:,}"
    learned = f"; {answers.learned_by} has learned from them" if answers.learned_by else ""
    return [Figure(share, f"as their folders are named ({right}){learned}")]


def training_lines(
    trained: Trained,
    evaluations: Mapping[str, Evaluation],
    notes: Sequence[str] = (),
    room: int | None = None,
) -> list[str]:
    """The version, how right it is, its weakest classes, notes on the data, the decision, and the
    next commands."""
    measured = evaluations.get(TEST) or evaluations.get(HELDOUT)
    images = "test images" if {HELDOUT, TEST} <= evaluations.keys() else ""
    weakest = [] if measured is None else weakest_lines(measured, images)
    hints = [] if measured is None else [chance_line(measured), few_images_line(measured)]
    lines = paragraphs(
        [f"{trained.model} is published, after {duration(trained.seconds)}"],
        figures([*_of_others(trained), *_measured(trained)], room),
        [*weakest, *filter(None, hints)],
        notes,
        list(_verdict(trained)),
    )
    return paragraphs(fitted_lines(lines, room), next_commands(list(_next(trained))))


def _measured(trained: Trained) -> list[Figure]:
    return metric_figures(trained.metrics, trained.heldout_error)


def _of_others(trained: Trained) -> Iterator[Figure]:
    """What is right of the images that no person has named."""
    right = trained.right_of_others
    if right is not None:
        yield Figure(percent(right.share), OF_OTHERS, range_of(right))


def metric_figures(metrics: Metrics, heldout_error: float = 0.0) -> list[Figure]:
    """Accuracies with their errors, and the calibration error; nothing that was not measured."""
    figures = []
    if metrics.heldout_count:
        heldout = metrics.heldout_accuracy, metrics.heldout_count
        figures.append(accuracy_figure(*heldout, "held-out", heldout_error))
    if metrics.test_accuracy is not None and metrics.test_count:
        figures.append(accuracy_figure(metrics.test_accuracy, metrics.test_count, "test"))
    if figures:
        ece = metrics.heldout_ece if metrics.test_ece is None else metrics.test_ece
        figures.append(Figure(percent(ece), "calibration error", "of the confidence, on average"))
    return figures


def _verdict(trained: Trained) -> Iterator[str]:
    """The decision of the quality gate, with its reason."""
    decision = trained.decision
    if decision.changed:
        now = f"{_name(trained)}@{decision.alias} is version {decision.version} now"
        yield f"{good(now)}: {decision.why}"
    else:
        yield decision.why
    if decision.before is not None and 0 < trained.metrics.heldout_count < FEW_HELDOUT:
        yield doubtful(
            f"with {trained.metrics.heldout_count:,} held-out images this comparison is mostly "
            "chance; compare on more images with: hangtag models evaluate --data DIR"
        )


def _name(trained: Trained) -> str:
    return trained.model.partition("@")[0]


def _next(trained: Trained) -> Iterator[tuple[str, str]]:
    decision, name = trained.decision, _name(trained)
    if trained.metrics.heldout_count:
        yield "see it", f"hangtag models report {trained.model}"
    if decision.changed:
        yield "use it", f"hangtag classify DIR --model {name}"
        if decision.before is not None:
            yield "undo it", f"hangtag models rollback {name}"
    else:
        yield "try it", f"hangtag classify DIR --model {trained.model}"
        yield "promote it", f"hangtag models promote {trained.model}"


class Sorted(msgspec.Struct, frozen=True):
    """What was done, or would be done."""

    out: str
    way: str  #: copy, link, move; empty: the files were taken back
    folders: dict[str, int]  #: number of files by folder, with those that were there already
    stay: dict[str, int]  #: number of files that stay where they are, by reason
    first: dict[str, str]  #: one of them for each reason
    there: int = 0  #: number of files that were in their folder already
    dry_run: bool = False
    examples: list[tuple[str, str]] = []  #: source and place of the first files of a dry run
    outdated: bool = False  #: the table lacks corrections that were decided since

    @property
    def count(self) -> int:
        """The number of files."""
        return sum(self.folders.values())

    @property
    def exit_code(self) -> Exit:
        """3 if files stay where they are."""
        return Exit.SOME_FAILED if self.stay else Exit.OK


def result_lines(result: Sorted) -> Iterator[str]:
    """Files by folder, the first places of a dry run, the total."""
    by_name = sorted(result.folders.items(), key=lambda item: (item[0] in RESERVED, item[0]))
    rows = [[f"{name}/", f"{count:,}"] for name, count in by_name]
    if rows:
        yield from columns(["folder", "images"], rows, {"folder"})
    for source, place in result.examples:
        yield f"{near(source)} -> {near(place)}"
    would = "would be " if result.dry_run else ""
    where = f"{'into' if result.way else 'from'} {near(result.out)}"
    there = f"; already there: {result.there:,}" if result.there else ""
    count = result.count - result.there
    yield f"{counted(count, 'image')} {would}{_DONE[result.way]} {where}{there}"


def remark_lines(result: Sorted) -> Iterator[str]:
    """Which files stay where they are, and whether the table lacks corrections."""
    if result.outdated:
        yield (
            "corrections that were decided since the table was written were not used; take them "
            "into it with hangtag table"
        )
    for reason, count in result.stay.items():
        first = near(result.first[reason])
        yield f"{counted(count, 'image')} not {_DONE[result.way]}, {reason}: {first}"


def next_lines(result: Sorted, table: Path | None) -> Iterator[str]:
    """What to do next."""
    if result.dry_run:
        yield "nothing was written; to do it, leave out --dry-run"
    elif result.way and result.count > result.there:  # else this command has put none there
        undo = undo_command(near(result.out))
        files = counted(result.count - result.there, _FILES[result.way])
        yield f"take the {files} back with: {undo}"
        unnamed = {name: result.folders.get(name, 0) for name in (UNKNOWN, FLAGGED)}
        if table is not None and any(unnamed.values()):
            folders = " and ".join(f"{name}/" for name, count in unnamed.items() if count)
            review, render = (typed(["hangtag", do, str(table)]) for do in ("review", "table"))
            yield f"name the {sum(unnamed.values()):,} in {folders} with: {review}"
            yield f"then undo, and sort again after: {render}"
