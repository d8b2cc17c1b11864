"""The form of summaries: aligned figures, bars that add up, lines that fit."""

from __future__ import annotations

import click
import msgspec

from producer.journal.totals import AcceptedShare, AnswerCounts, Failures
from producer.summary.job_text import answer_lines

ANSWERS = AnswerCounts(
    {"Bag": 60, "T-shirt/top": 3, "Coat": 1},
    {"Bag": 15, "Coat": 1},
    0.98,
    {"unreadable": Failures(2, "photos/" + "x" * 90 + ".png"), "crashed": Failures(1, "b.png")},
    64,
    51,
)


def plain(lines: list[str]) -> list[str]:
    return [click.unstyle(line) for line in lines]


def test_an_answer_has_bars_doubts_failures_and_folders() -> None:
    assert plain(answer_lines(ANSWERS, {"unlike_training": 4}, 60)) == [
        "  Bag          60  ██████████████████░░░░░░",
        "  T-shirt/top   3  █",
        "  Coat          1  ░",
        "",
        "     16 doubtful    flagged, or a confidence too low for 98…",
        "      4 flagged     4 unlike_training (column flag)",
        "      2 unreadable  first: photos/xxxxxxxxxxxxxxxxxxxxxxxxx…",
        "      1 crashed     first: b.png",
        "  79.7% as their folders are named (51 of 64)",
    ]


def test_of_accepted_rows_one_precision_is_named() -> None:
    accepted = AcceptedShare(40, 0.97, precision=0.95)
    answers = msgspec.structs.replace(ANSWERS, accepted=accepted, failures={}, in_label_folders=0)
    assert plain(answer_lines(answers, {})) == [
        "  Bag          60  ████████████████████████",
        "  T-shirt/top   3  █",
        "  Coat          1  █",
        "",
        "  40 accepted  62.5% of all; at least 95% should be right (--accept 95%)",
    ]


def test_a_version_without_thresholds_says_why_every_row_is_doubtful() -> None:
    lines = plain(answer_lines(AnswerCounts({"Bag": 2}, {"Bag": 2}), {}))
    assert lines[0] == "  Bag  2  ░░░░░░░░░░░░░░░░░░░░░░░░"
    assert "card has no confidence" in lines[2]
