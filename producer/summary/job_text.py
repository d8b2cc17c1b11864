"""What came out of a job, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from producer.journal.totals import AnswerCounts
from producer.present import style
from producer.present.formatting import one_line, percent
from producer.present.summary_parts import (
    Figure,
    LabelBar,
    figures,
    label_bars,
    next_commands,
    paragraphs,
)


def accepted_lines(answers: AnswerCounts, room: int | None = None) -> list[str]:
    """How many rows are accepted, and what share of them should be right; empty without a
    threshold. A line has at most `room` columns."""
    accepted = figures(_accepted(answers), room)
    return [*accepted, *withdrawn_lines(answers, room)] if accepted else []


def withdrawn_lines(answers: AnswerCounts, room: int | None = None) -> list[str]:
    """Why nothing is promised of the rows, and what to do; empty if the promises hold."""
    withdrawn = answers.withdrawn
    if withdrawn is None:
        return []
    why = style.wrapped("", f"no precision is promised: {withdrawn.why}", room).split("\n")
    known = f"the model may not know such images; {withdrawn.advice}"
    return [*map(style.doubtful, why), *next_commands([(known, withdrawn.train)])]


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
        right = expected if expected[0] in "<>" else f"about {expected}"
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
    if not judged:
        return []
    share, right = percent(answers.as_folder / judged), f"{answers.as_folder:,} of {judged:,}"
    return [Figure(share, f"as their folders are named ({right})")]
