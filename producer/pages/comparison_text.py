"""A comparison as lines of text, and as one HTML file from the parts of reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from producer.pages import page, text
from producer.pages.comparison import (
    SIGNIFICANT,
    ComparedRows,
    Comparison,
    LabelFigures,
    Side,
    Tally,
)
from producer.pages.figures import Matrix, Smallest, matrix
from producer.pages.page import Page
from producer.pages.shots import Answer, Group, Shot
from producer.present import style
from producer.present.formatting import counted, near, one_line, percent, typed
from producer.present.style import Column, Figure, figures, next_commands, paragraphs, table
from shared.errors import HangtagError
from shared.messages.helpers import Thumbnail
from shared.messages.model_name import PRODUCTION, parse
from shared.registry.registry import Registry

#: Labels with a line; of more, only the most frequent ones.
LABELS_SHOWN = 20
CONFUSIONS_SHOWN = 5
_COUNTS = ("A", "B", "agree")
_RIGHT = ("right in A", "right in B", "only A", "only B")
#: Rows of the table of labels.
MAX_LABELS = 1_000
#: Pictures of each group, and groups; together they bound memory and the size of a page.
OF_PAIR, PAIRS = 12, 2_000
OF_JUDGEMENT = 150
MOST = 700
#: Groups of disagreements where the folder or a person states a label.
ONLY_A, ONLY_B, NEITHER = "only A right", "only B right", "both wrong"
#: The group of those without such a label.
UNJUDGED = "no stated label"
_TITLES = {
    ONLY_A: ("only-a", "Only A is right"),
    ONLY_B: ("only-b", "Only B is right"),
    NEITHER: ("neither", "Both are wrong, and differ"),
    UNJUDGED: ("differ", "They differ"),
}


def lines(comparison: Comparison, room: int | None = None) -> list[str]:
    """The tables, the agreement, who is right, and the labels. A line has at most `room` columns
    where that is possible."""
    return paragraphs(
        [_head("A", comparison.a), _head("B", comparison.b), *_gaps(comparison)],
        [*figures(list(_figures(comparison)), room), *_verdict(comparison)],
        _labels(comparison, room),
        _confusions(comparison),
    )


def next_lines(comparison: Comparison, has_page: bool, registry: Registry) -> list[str]:
    """What to do next: the page if there is none, and the promotion of a better version that is not
    in use."""
    tables = [near(side.table) for side in (comparison.a, comparison.b)]
    commands = []
    if not has_page:
        page = typed(["hangtag", "compare", *tables, "-o", "compare.html"])
        commands.append(("see it", page))
    better = _better(comparison)
    others = comparison.a.model != comparison.b.model
    if better is not None and others and not _is_in_use(better.model, registry):
        commands.append(("promote it", f"hangtag models promote {better.model}"))
    return next_commands(commands)


def _is_in_use(model: str, registry: Registry) -> bool:
    """Whether it is known to be so: tables are compared without a store, too."""
    version = parse(model)
    with suppress(HangtagError):
        return registry.aliases(version.name).get(PRODUCTION) == version.version
    return False


def verdict(comparison: Comparison) -> str:
    """Which table is right more often, and whether that may be chance; empty if no image is
    judged."""
    if not comparison.labels_in_common:
        return "the versions have no label in common, so that neither is shown to be better"
    if comparison.p_value is None:
        return ""
    test = f"p {_probability(comparison.p_value)}, McNemar's exact test"
    if comparison.p_value >= SIGNIFICANT:
        return f"neither table is shown to be right more often ({test})"
    better = "A" if _better(comparison) is comparison.a else "B"
    return f"{better} is right more often ({test})"


def _better(comparison: Comparison) -> Side | None:
    """The side that is shown to be right more often."""
    if not comparison.labels_in_common or comparison.p_value is None:
        return None
    if comparison.p_value >= SIGNIFICANT:
        return None
    return comparison.a if comparison.only_a_right > comparison.only_b_right else comparison.b


def _probability(value: float) -> str:
    return f"= {value:.2g}" if value >= 1e-6 else "< 0.000001"


def _head(letter: str, side: Side) -> str:
    so_far = "" if side.finished else " so far"
    return (
        f"{style.name(letter)}: {one_line(near(side.table))}, {side.model}, "
        f"{counted(side.rows, 'row')}{so_far}"
    )


def _gaps(comparison: Comparison) -> Iterator[str]:
    """What is not compared, and why."""
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        if side.only:
            files = counted(side.only, "file")
            yield f"only in {letter}: {files}, first: {one_line(side.examples[0])}"
    if comparison.changed:
        yield f"not compared: {counted(comparison.changed, 'file')} with another content in B"
    failures = (
        ("A", comparison.a.failed),
        ("B", comparison.b.failed),
        ("both", comparison.failed_in_both),
    )
    if failed := [f"{count:,} in {where}" for where, count in failures if count]:
        yield f"without a label: {', '.join(failed)}"


def _figures(comparison: Comparison) -> Iterator[Figure]:
    of_all = (
        f"{percent(comparison.agreed / max(comparison.images, 1))} of {comparison.images:,} images"
    )
    yield Figure(f"{comparison.agreed:,}", "agree", of_all)
    if not comparison.judged:
        return
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        share = percent(side.right / comparison.judged)
        detail = f"{share} of {comparison.judged:,}, {comparison.judges}"
        yield Figure(f"{side.right:,}", f"right in {letter}", detail)
    yield Figure(f"{comparison.only_a_right:,}", "only in A", "right in A, wrong in B")
    yield Figure(f"{comparison.only_b_right:,}", "only in B", "right in B, wrong in A")
    yield Figure(f"{comparison.both_wrong:,}", "wrong in both")


def _verdict(comparison: Comparison) -> list[str]:
    text = verdict(comparison)
    return [f"  {style.name(text)}"] if text else []


def _labels(comparison: Comparison, room: int | None) -> list[str]:
    shown = comparison.labels[:LABELS_SHOWN]
    heads = ("label", *_COUNTS, *(_RIGHT if comparison.judged else ()))
    columns = [Column(head, left=head == "label", least=12 * (head == "label")) for head in heads]
    result = table(columns, [_label_line(label, bool(comparison.judged)) for label in shown], room)
    if left := len(comparison.labels) - len(shown):
        result.append(style.dim(f"and {counted(left, 'other label')}"))
    return result


def _label_line(label: LabelFigures, judged: bool) -> list[str]:
    cells = [one_line(label.label), *(f"{count:,}" for count in (label.a, label.b, label.agreed))]
    if judged:
        shares = [
            percent(n / label.judged) if label.judged else "-"
            for n in (label.right_a, label.right_b)
        ]
        cells += [*shares, f"{label.only_a_right:,}", f"{label.only_b_right:,}"]
    return cells


def _confusions(comparison: Comparison) -> list[str]:
    """The most frequent disagreements."""
    return [
        f"  {confusion.images:>7,}  {one_line(confusion.a)} in A, {one_line(confusion.b)} in B"
        for confusion in comparison.confusions[:CONFUSIONS_SHOWN]
    ]


def compare_page(
    comparison: Comparison, tally: Tally, pictures: Mapping[ComparedRows, Thumbnail], missing: str
) -> Page:
    """The page; `pictures` has the chosen disagreements, in order."""
    names = [text.label(label) for label in tally.labels]
    shots = {pair: _shot(pair, names, picture) for pair, picture in pictures.items()}
    return page.render(
        "compare.html",
        title="Comparison of two tables",
        found=comparison,
        verdict=verdict(comparison),
        paths=(text.path(comparison.a.table.encode()), text.path(comparison.b.table.encode())),
        labels=comparison.labels[:MAX_LABELS],
        label_text=text.label,
        labels_left_out=max(0, len(comparison.labels) - MAX_LABELS),
        matrix=_matrix(tally, shots.values()) if tally.pairs.counted else None,
        groups=list(_groups(comparison, tally, shots)),
        pictured=len(pictures),
        differ=comparison.images - comparison.agreed,
        missing=missing,
    )


def _groups(
    comparison: Comparison, tally: Tally, shots: Mapping[ComparedRows, Shot]
) -> Iterator[Group]:
    differ = comparison.images - comparison.agreed
    judged = comparison.only_a_right + comparison.only_b_right
    neither = tally.differ_wrong
    images = {
        ONLY_A: comparison.only_a_right,
        ONLY_B: comparison.only_b_right,
        NEITHER: neither,
        UNJUDGED: differ - judged - neither,
    }
    for kind, (anchor, title) in _TITLES.items():
        mine = [shot for pair, shot in shots.items() if judgement(pair) == kind]
        if mine:
            yield Group(f"group-{anchor}", title, f"{images[kind]:,}", mine)


def _shot(pair: ComparedRows, names: Sequence[str], picture: Thumbnail) -> Shot:
    sides = ("A", pair.label_a, pair.a), ("B", pair.label_b, pair.b)
    return Shot(
        text.path(pair.a.name),
        text.file_name(pair.a.name),
        picture,
        (pair.label_a, pair.label_b),
        [
            Answer(names[label], row.confidence, table, label == pair.truth)
            for table, label, row in sides
        ],
        (pair.a.number, pair.b.number),
        truth_text="" if pair.truth is None else names[pair.truth],
        stated_by="person" if pair.by_person else "folder",
    )


def _matrix(tally: Tally, shots: Iterable[Shot]) -> Matrix:
    totals = [a + b for a, b in zip(tally.counts_a, tally.counts_b, strict=True)]
    used = sorted((i for i, count in enumerate(totals) if count), key=lambda i: (-totals[i], i))
    return matrix(tally.labels, tally.pairs.rows, shots, used)


def judgement(compared: ComparedRows) -> str:
    """Who is right about an image on which the tables differ."""
    if compared.truth is None:
        return UNJUDGED
    if compared.label_a == compared.truth:
        return ONLY_A
    return ONLY_B if compared.label_b == compared.truth else NEITHER


class Disagreements:
    """Those of which a page has pictures: where both models are most confident, of each pair of
    labels and each judgement. The choice depends on the tables alone."""

    def __init__(self) -> None:
        self._by_judgement: dict[str, Smallest[ComparedRows]] = {}
        self._by_pair: dict[tuple[int, int], Smallest[ComparedRows]] = {}

    def add(self, compared: ComparedRows) -> None:
        """Consider a pair with a label in both tables."""
        if compared.label_a == compared.label_b:
            return
        doubt = -min(compared.a.confidence, compared.b.confidence)
        group = self._by_judgement.setdefault(judgement(compared), Smallest(OF_JUDGEMENT))
        group.add(doubt, compared.a.number, compared)
        pair = (compared.label_a, compared.label_b)
        if pair in self._by_pair or len(self._by_pair) < PAIRS:
            group = self._by_pair.setdefault(pair, Smallest(OF_PAIR))
            group.add(doubt, compared.a.number, compared)

    def chosen(self) -> list[ComparedRows]:
        """Every chosen disagreement once, the most confident of each judgement first, then those of
        the pairs of labels; at most MOST."""
        rows: dict[int, ComparedRows] = {}
        groups = [*self._by_judgement.values(), *self._by_pair.values()]
        for group in groups:
            rows |= {pair.a.number: pair for pair in group.items}
            if len(rows) >= MOST:
                break
        return list(rows.values())[:MOST]
