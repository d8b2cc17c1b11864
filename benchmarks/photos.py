"""`make bench-photos`: accuracy on photographs, and the share of flagged images.

The photographs are synthesized from Fashion-MNIST's test images
(benchmarks/workloads/synthetic_photos.py), so their labels are known. The tables go to standard
output and into RESULTS.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
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
from worker.runtimes.load_runtime import load
from worker.runtimes.runtime import Classifier

HEADING = "## Photographs, and what is flagged"
COUNT, SEED = 2_000, 1
#: Images of each out-of-distribution set.
OOD_COUNT = 1_000

Bytes = NDArray[np.uint8]


class Way(NamedTuple):
    """A way to convert images, and its accuracy."""

    name: str
    right: float  #: 0 to 1


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
    text = section(found, flagged(known, given.seed), given)
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
    return Way(name, float(right.mean()))


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


def section(
    found: Sequence[Way], sets: Iterator[tuple[str, int, dict[str, int]]], given: argparse.Namespace
) -> str:
    """The section of RESULTS.md."""
    rows = [(way.name, f"{way.right:.4f}") for way in found]
    parts = [
        HEADING,
        f"    python -m benchmarks.photos --count {given.count} --seed {given.seed}",
        f"{datetime.now(UTC).date().isoformat()}, {machine.place()}; "
        f"{packaged.card().ref}, pillow {machine.version('pillow')}.",
        markdown((f"{given.count:,} images", "accuracy"), rows),
        markdown(("flagged", "images", "unlike_training", "busy_background"), map(_row, sets)),
    ]
    return "\n\n".join(parts) + "\n"


def _row(entry: tuple[str, int, dict[str, int]]) -> list[str]:
    name, count, flags = entry
    kinds = ("unlike_training", "busy_background")
    return [name, f"{count:,}", *(f"{flags.get(kind, 0) / count:.1%}" for kind in kinds)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photos", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="number of test images")
    parser.add_argument("--seed", type=int, default=SEED)
    return parser


if __name__ == "__main__":
    sys.exit(main())
