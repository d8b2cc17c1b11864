"""The blocks of the pages: tables and sentences, rendered from a recorded run."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from benchmarks.report import tables
from benchmarks.report.agreement import SAME
from benchmarks.report.figures import Figure, find
from benchmarks.report.goals import verdict
from benchmarks.report.record import Record
from benchmarks.report.results import Contender
from benchmarks.report.tables import LEGEND
from benchmarks.workloads.networks import DENSE, SHIPPED

_WIDTH = 108
#: Larger ratios are printed without decimals.
TEN = 10
_SECTION = "benchmarks/RESULTS.md#the-queue-beside-a-bare-loop-keras-ray-data-and-plain-celery"
Block = Callable[[Record], str]


def summary(found: Record) -> str:
    """README's line on speed."""
    lines = [_summary(found, SHIPPED, "the network that ships")]
    lines += [_summary(found, DENSE, "that of TensorFlow's tutorial")]
    beside = {
        "warm / Keras without its start": "Keras' `image_dataset_from_directory` + `predict`"
        " without its start",
        "fp32 / Keras without its start": "the same, with Hangtag in fp32 as well",
    }
    ratios = {what: found.ratios.get(f"{DENSE}: {name}") for name, what in beside.items()}
    celery = f"a Celery task for each of {found.few:,} images"
    once = {"Ray Data": (Contender.RAY, found.images), celery: (Contender.CELERY, found.few)}
    for what, (rival, images) in once.items():
        ratios[f"{what}, both without their start"] = _work_x(found, rival, images)
    phrases = [
        f"{_times(ratio)} that of {what}" for what, ratio in ratios.items() if ratio is not None
    ]
    dense = find(found.figures, DENSE, Contender.WARM, found.images)
    if dense and dense.whole_x:
        phrases.insert(0, f"{dense.whole_x:.2f} of that of the same loop without a queue")
    text = (
        f"* **28x28 pixels**: {' and '.join(filter(None, lines))}, on {found.workers} cores "
        f"({found.images:,} PNG files, int8). With the latter the speed is {', '.join(phrases)} "
        f"([every figure]({_SECTION})). {found.warning}"
    ).rstrip()
    return f"{wrapped(text, subsequent_indent='  ')}\n{wrapped(f'<!-- {_origin(found)} -->')}"


def _summary(found: Record, network: str, what: str) -> str:
    """Rate and core-hours of a network; empty if it was not measured."""
    warm = find(found.figures, network, Contender.WARM, found.images)
    if warm is None:
        return ""
    hours = core_hours(warm.whole, found.workers)
    return f"{warm.whole:,.0f} images/s, {hours:.2f} core-hours per million, with {what}"


def core_hours(rate: float, workers: int) -> float:
    """Of a million images, at this rate of all workers together."""
    return workers * 1e6 / rate / 3600


def _work_x(found: Record, rival: Contender, images: int) -> float | None:
    """The ratio of two figures that pages show, to a rival that runs once, after the repeats."""
    warm, other = (find(found.figures, DENSE, one, images) for one in (Contender.WARM, rival))
    return warm.work / other.work if warm and other else None


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < TEN else f"{ratio:.0f} times"


def speed(found: Record) -> str:
    """The table of every contender, with the command, the versions and the goals."""
    parts = [
        f"    {found.command}", origin(found), wrapped(f"{found.packages}."),
        tables.speed(_shown(found)), LEGEND, _notes(found), wrapped(verdict(found.goals)),
    ]  # fmt: skip
    return "\n\n".join(filter(None, parts))


def _shown(found: Record) -> list[Figure]:
    """All but those that only show whether memory grows, which is a goal."""
    return [one for one in found.figures if one.images != found.images // 10]


def _notes(found: Record) -> str:
    """What was noted, but for tables with the bytes that are expected; the network that ships; and
    the ratios that the night compares."""
    notes = [note for note in found.notes if not note.endswith(f": {SAME}")]
    if len(notes) < len(found.notes):
        notes.append(f"The other tables of Hangtag and the bare loop have {SAME}.")
    if (shipped := found.version(SHIPPED)) and shipped.accuracy is not None:
        notes.append(
            f"Of the test images the shipped network labels {shipped.accuracy:.2%} right, with an "
            f"expected calibration error of {shipped.ece:.2%}."
        )
    if found.short:
        ratios = ", ".join(f"{one.network} {one.ratio:.2f}" for one in found.short)
        notes.append(
            f"Warm, `x` of the {found.short[0].images:,} images that the night measures: {ratios}."
        )
    return "\n".join(wrapped(f"* {note}", subsequent_indent="  ") for note in notes)


def origin(found: Record) -> str:
    """Date, machine, commit, and the cards that were measured."""
    return wrapped(f"{_origin(found)}.{' **' + found.warning + '**' if found.warning else ''}")


def _origin(found: Record) -> str:
    cards = ", ".join(f"{version.network} {version.card}" for version in found.versions)
    runs = "one run" if found.repeats == 1 else f"medians of {found.repeats} runs"
    return f"{found.date}, {runs}, commit {found.commit}, {found.machine}; cards: {cards}"


def wrapped(text: str, subsequent_indent: str = "") -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=subsequent_indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


BLOCKS: dict[str, Block] = {block.__name__: block for block in (summary, speed)}
