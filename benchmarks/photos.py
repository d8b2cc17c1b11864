"""`make bench-photos`: accuracy on photographs, and the share of flagged images.

The photographs are synthesized from Fashion-MNIST's test images
(benchmarks/workloads/synthetic_photos.py), so their labels are known. The tables go to standard
output and into RESULTS.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import machine
from benchmarks.report.page_blocks import write_section
from benchmarks.report.tables import markdown
from benchmarks.workloads import ood_images
from benchmarks.workloads.synthetic_photos import photograph, scene
from shared import runtimes
from shared.errors import SetupError
from shared.image_status import count_flags
from shared.messages.model_card import Card, Preprocessing
from shared.registry import packaged
from worker.classify.classify_batch import classified
from worker.classify.process_state import LoadedModel
from worker.datasets import fashion_mnist
from worker.datasets.demo import encoded
from worker.decoding.decode import decode
from worker.runtimes.load_runtime import load
from worker.runtimes.runtime import Classifier

HEADING = "## Photographs, and what is flagged"
COUNT, SEED = 2_000, 1
#: Images of each out-of-distribution set.
OOD_COUNT = 1_000
REPEATS = 7
CAMERA_PIXELS = (4000, 3000)

Bytes = NDArray[np.uint8]


class Way(NamedTuple):
    """A way to convert images, and its accuracy."""

    name: str
    right: float  #: 0 to 1
    flagged: float  #: 0 to 100


class Known(NamedTuple):
    """Test images with their labels, and the packaged model."""

    card: Card
    model: Classifier
    images: Bytes  #: [n, 28, 28]
    labels: Bytes


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 if the data is not available. A test compares the accuracies with those that
    are documented."""
    given = _parser().parse_args(arguments)
    try:
        known = sample(given.count, given.seed)
    except SetupError as error:
        print(f"photos: {error}", file=sys.stderr)
        return 1
    found = ways(known, given.seed)
    text = section(found, flagged(known, given.seed), times(), given)
    print(text)
    if (given.count, given.seed) == (COUNT, SEED):
        write_section(text)
    return 0


def sample(count: int, seed: int, download: bool = True) -> Known:
    """Some test images, chosen by the seed. Raises SetupError."""
    images, labels = fashion_mnist.load("test", download)
    chosen = np.random.default_rng(seed).permutation(len(labels))[:count]
    card = packaged.card()
    model = load("litert", card, packaged.read(runtimes.find("litert").artifact))
    return Known(card, model, images[chosen], labels[chosen])


def ways(known: Known, seed: int) -> list[Way]:
    """The clean images, and their photographs without and with the conversion."""
    clean = [encoded(image) for image in known.images]
    photos = [photograph(image, seed + i) for i, image in enumerate(known.images)]
    plain = msgspec.structs.replace(
        known.card, preprocessing=_with(known.card, convert="letterbox", invert=False)
    )
    negated = msgspec.structs.replace(
        known.card, preprocessing=_with(known.card, convert="letterbox", ground=255, invert=True)
    )
    return [
        _way("the test images themselves", known, known.card, clean),
        _way("their photographs, scaled to fit", known, plain, photos),
        _way("the same, negated", known, negated, photos),
        _way("their photographs, converted", known, known.card, photos),
    ]


def _with(card: Card, **fields: object) -> Preprocessing:
    return msgspec.structs.replace(card.preprocessing, **fields)


def _way(name: str, known: Known, card: Card, files: Sequence[bytes]) -> Way:
    result = classified(LoadedModel(card, known.model), files, 1)
    right = np.frombuffer(result.indices, "<u2") == known.labels
    flagged = sum(count_flags(result.flags).values())
    return Way(name, float(right.mean()), _percent(flagged, len(files)))


def flagged(known: Known, seed: int) -> Iterator[tuple[str, int, dict[str, int]]]:
    """Each image set: its name, its size, and the number of its images by flag."""
    n = min(OOD_COUNT, len(known.images))
    negative = np.invert(known.images)
    sets: list[tuple[str, list[bytes]]] = [
        ("test images", [encoded(image) for image in known.images]),
        ("their photographs", [photograph(x, seed + i) for i, x in enumerate(known.images[:n])]),
        ("the same before a busy ground", [scene(x, i) for i, x in enumerate(known.images[:n])]),
        ("test images negated, 28x28", [encoded(image) for image in negative]),
    ]
    for make in (ood_images.digits, ood_images.letters, ood_images.noise, ood_images.checkers,
                 ood_images.gradients):  # fmt: skip
        sets.append((make.__name__, [encoded(image) for image in make(n, seed)]))
    for name, files in sets:
        result = classified(LoadedModel(known.card, known.model), files, 1)
        yield name, len(files), count_flags(result.flags)


def times() -> list[tuple[str, float]]:
    """Milliseconds to decode a photograph of 12 megapixels, with and without the conversion."""
    data = photograph(np.pad(np.full((20, 20), 200, np.uint8), 4), 1, CAMERA_PIXELS)
    letterbox = msgspec.structs.replace(fashion_mnist.PREPROCESSING, convert="letterbox")
    return [
        ("scaled to fit", _fastest(lambda: decode(data, letterbox))),
        ("converted", _fastest(lambda: decode(data, fashion_mnist.PREPROCESSING))),
    ]


def _fastest(act: Callable[[], object]) -> float:
    """Processor time of the fastest call, in milliseconds."""
    best = float("inf")
    for _ in range(REPEATS):
        started = time.thread_time()
        act()
        best = min(best, time.thread_time() - started)
    return 1000 * best


def section(
    found: Sequence[Way],
    sets: Iterator[tuple[str, int, dict[str, int]]],
    costs: Sequence[tuple[str, float]],
    given: argparse.Namespace,
) -> str:
    """The section of RESULTS.md."""
    lost = 100 * (found[0].right - found[-1].right)
    rows = [(way.name, f"{way.right:.4f}", f"{way.flagged:.1f} %") for way in found]
    cost = ", ".join(f"{name} {ms:.1f} ms" for name, ms in costs)
    return (
        "\n\n".join(
            [
                HEADING,
                f"    python -m benchmarks.photos --count {given.count} --seed {given.seed}",
                f"{datetime.now(UTC).date().isoformat()}, {machine.place()}; "
                f"{packaged.card().ref}, pillow {machine.version('pillow')}.",
                markdown((f"{given.count:,} images", "accuracy", "flagged"), rows),
                f"Accuracy loss on photographs: {lost:.1f} points.",
                markdown(("set", "images", "unlike_training", "busy_background"), map(_row, sets)),
                f"A JPEG of 12 megapixels, processor time of the fastest of {REPEATS}: {cost}.",
            ]
        )
        + "\n"
    )


def _row(entry: tuple[str, int, dict[str, int]]) -> list[str]:
    name, count, flags = entry
    kinds = ("unlike_training", "busy_background")
    return [name, f"{count:,}", *(f"{_percent(flags.get(kind, 0), count):.1f} %" for kind in kinds)]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photos", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="number of test images")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser


if __name__ == "__main__":
    sys.exit(main())
