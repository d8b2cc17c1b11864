"""The form of summaries: aligned figures, bars that add up, lines that fit."""

from __future__ import annotations

import click
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from producer.journal.totals import AcceptedShare, AnswerCounts, Failures
from producer.present.style import width
from producer.present.summary_parts import LabelBar, label_bars, next_commands, parted_bar
from producer.summary.job_text import answer_lines

LABELS_SHOWN = 12
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


@given(st.integers(1, 300))
def test_more_labels_than_fit_are_summed(labels: int) -> None:
    lines = plain(label_bars([LabelBar(f"label {i}", i + 1) for i in range(labels)]))
    assert len(lines) <= LABELS_SHOWN + 1
    if labels > LABELS_SHOWN + 1:
        rest = labels - LABELS_SHOWN
        assert lines[-1] == f"  and {rest * (rest + 1) // 2:,} images of {rest} other labels"


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_bar_shows_each_of_its_parts(one: float, other: float) -> None:
    sure, all_ = min(one, other), max(one, other)
    bar = click.unstyle(parted_bar(sure, all_))
    solid, light = (bar.count(c) for c in "█░")
    assert abs(solid + light - 24 * all_) <= 1
    assert bool(sure) <= bool(solid)
    if sure < all_ and solid + light > 1:
        assert light


def test_commands_are_aligned_below_each_other() -> None:
    assert plain(next_commands([("use it", "a"), ("undo it again", "b")])) == [
        "use it:         a",
        "undo it again:  b",
    ]
    assert width("写真") == 4
