"""A comparison as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from producer.compare.comparison import Comparison, LabelFigures, Side
from producer.compare.paired_test import SIGNIFICANT
from producer.present import style
from producer.present.form import Figure, figures, paragraphs
from producer.present.formatting import counted, near, one_line, percent
from producer.present.text_table import Column, table

#: Labels with a line; of more, only the most frequent ones.
LABELS_SHOWN = 20
CONFUSIONS_SHOWN = 5
_COUNTS = ("A", "B", "agree")
_RIGHT = ("right in A", "right in B", "only A", "only B")


def lines(found: Comparison, room: int | None = None) -> list[str]:
    """The tables, the agreement, who is right, and the labels. A line has at most `room` columns
    where that is possible."""
    return paragraphs(
        [_head("A", found.a), _head("B", found.b), *_gaps(found)],
        [*figures(list(_figures(found)), room), *_verdict(found)],
        _labels(found, room),
        _confusions(found),
    )


def verdict(found: Comparison) -> str:
    """Which table is right more often, and whether that may be chance; empty if no image is
    judged."""
    if found.p_value is None:
        return ""
    test = f"p {_probability(found.p_value)}, McNemar's exact test"
    if found.p_value >= SIGNIFICANT:
        return f"neither table is shown to be right more often ({test})"
    better = "A" if found.only_a_right > found.only_b_right else "B"
    return f"{better} is right more often ({test})"


def _probability(value: float) -> str:
    return f"= {value:.2g}" if value >= 1e-6 else "< 0.000001"


def _head(letter: str, side: Side) -> str:
    so_far = "" if side.finished else " so far"
    return (
        f"{style.name(letter)}: {one_line(near(side.table))}, {side.model}, "
        f"{counted(side.rows, 'row')}{so_far}"
    )


def _gaps(found: Comparison) -> Iterator[str]:
    """What is not compared, and why."""
    for letter, side in (("A", found.a), ("B", found.b)):
        if side.only:
            files = counted(side.only, "file")
            yield f"only in {letter}: {files}, first: {one_line(side.examples[0])}"
    if found.changed:
        yield f"not compared: {counted(found.changed, 'file')} with another content in B"
    failures = (
        ("A", found.a.failed),
        ("B", found.b.failed),
        ("both", found.failed_in_both),
    )
    if failed := [f"{count:,} in {where}" for where, count in failures if count]:
        yield f"without a label: {', '.join(failed)}"


def _figures(found: Comparison) -> Iterator[Figure]:
    of_all = f"{percent(found.agreed / max(found.images, 1))} of {found.images:,} images"
    yield Figure(f"{found.agreed:,}", "agree", of_all)
    if not found.judged:
        return
    for letter, side in (("A", found.a), ("B", found.b)):
        share = percent(side.right / found.judged)
        detail = f"{share} of {found.judged:,}, {found.judges}"
        yield Figure(f"{side.right:,}", f"right in {letter}", detail)
    yield Figure(f"{found.only_a_right:,}", "only in A", "right in A, wrong in B")
    yield Figure(f"{found.only_b_right:,}", "only in B", "right in B, wrong in A")
    yield Figure(f"{found.both_wrong:,}", "wrong in both")


def _verdict(found: Comparison) -> list[str]:
    text = verdict(found)
    return [f"  {style.name(text)}"] if text else []


def _labels(found: Comparison, room: int | None) -> list[str]:
    shown = found.labels[:LABELS_SHOWN]
    heads = ("label", *_COUNTS, *(_RIGHT if found.judged else ()))
    columns = [Column(head, left=head == "label", least=12 * (head == "label")) for head in heads]
    result = table(columns, [_label_line(one, bool(found.judged)) for one in shown], room)
    if left := len(found.labels) - len(shown):
        result.append(style.dim(f"and {counted(left, 'other label')}"))
    return result


def _label_line(one: LabelFigures, judged: bool) -> list[str]:
    cells = [one_line(one.label), *(f"{count:,}" for count in (one.a, one.b, one.agreed))]
    if judged:
        shares = [
            percent(n / one.judged) if one.judged else "-" for n in (one.right_a, one.right_b)
        ]
        cells += [*shares, f"{one.only_a_right:,}", f"{one.only_b_right:,}"]
    return cells


def _confusions(found: Comparison) -> list[str]:
    """The most frequent disagreements."""
    return [
        f"  {one.images:>7,}  {one_line(one.a)} in A, {one_line(one.b)} in B"
        for one in found.confusions[:CONFUSIONS_SHOWN]
    ]
