"""The second pass: only unsure images get it, and only as many as it takes."""

from __future__ import annotations

import msgspec
import numpy as np

from shared.registry import packaged
from worker.evaluation.calibration import ALWAYS, choose_second_pass, second_pass
from worker.runtimes.runtime import Classifier, Graph, Images, Logits, Outputs, probabilities

CLASSES = 3


def passes() -> tuple[list[Logits], np.ndarray]:
    """Two noisy views of the same truth, and the labels."""
    rng, count = np.random.default_rng(1), 4000
    labels = rng.integers(0, CLASSES, count)
    sure = rng.gamma(2.0, 2.0, (count, 1)) * np.eye(CLASSES)[labels]
    views = [(sure + rng.normal(0, 1.5, sure.shape)).astype(np.float32) for _ in range(2)]
    return views, labels


def right(logits: Logits, labels: np.ndarray) -> float:
    return float((logits.argmax(1) == labels).mean())


def test_few_second_passes_give_the_accuracy_of_all() -> None:
    both, labels = passes()
    found = choose_second_pass(both, labels)
    always, never = second_pass(both, ALWAYS), second_pass(both, 0.0)
    assert right(always.logits, labels) > right(never.logits, labels) + 0.01
    assert right(found.logits, labels) >= right(always.logits, labels) - 0.0005
    assert 0 < found.share < 0.6


def test_a_second_pass_that_does_not_help_is_never_made() -> None:
    both, labels = passes()
    found = choose_second_pass([both[0], both[0].copy()], labels)
    assert (found.margin, found.share) == (0.0, 0.0)
    assert choose_second_pass(both[:1], labels).margin == 0.0
    nothing = np.empty((0, CLASSES), np.float32)
    assert choose_second_pass([nothing, nothing], labels[:0]).margin == 0.0


class Brightness(Graph):
    """A graph: the logits are the brightness of the left, the middle and the right third."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def run(self, images: Images) -> Outputs:
        self.calls.append(len(images))
        thirds = np.array_split(images.astype(np.float32), CLASSES, axis=2)
        logits = np.stack([third.mean((1, 2, 3)) for third in thirds], axis=1)
        return Outputs(logits.astype(np.float32), None)


def test_a_worker_makes_the_same_second_passes_as_the_export() -> None:
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (200, 4, 6, 1), np.uint8)
    flipped = Brightness().run(images[:, :, ::-1]).logits
    expected = second_pass([Brightness().run(images).logits, flipped], 30.0)
    card = msgspec.structs.replace(
        packaged.card(), output="logits", temperature=20.0, second_pass_margin=30.0
    )
    graph = Brightness()
    classifier = Classifier(card, graph)
    assert classifier.logits(images).tobytes() == expected.logits.tobytes()
    assert graph.calls == [200, round(200 * expected.share)]
    wanted = probabilities(expected.logits, 20.0)
    assert classifier.predict(images).tobytes() == wanted.tobytes()
    apart = [classifier.predict(image[None]).tobytes() for image in images]
    assert b"".join(apart) == wanted.tobytes()
