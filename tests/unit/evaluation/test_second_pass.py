"""The second pass: only unsure images get it, and only as many as it takes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from shared.registry import packaged
from worker.evaluation.calibration import ALWAYS, choose_second_pass, second_pass, temperature
from worker.runtimes.runtime import (
    Classifier,
    Graph,
    Images,
    Logits,
    Outputs,
    probabilities,
    softmax,
)

CLASSES = 3


def passes(spread: float = 1.5, count: int = 4000) -> tuple[list[Logits], np.ndarray]:
    """Two noisy views of the same truth, and the labels."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, count)
    sure = rng.gamma(2.0, 2.0, (count, 1)) * np.eye(CLASSES)[labels]
    views = [(sure + rng.normal(0, spread, sure.shape)).astype(np.float32) for _ in range(2)]
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


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("count", [300, 4000])
def test_it_is_the_smallest_share_with_the_accuracy_and_two_thirds_of_the_gain(
    spread: float, count: int
) -> None:
    both, labels = passes(spread, count)
    gaps = np.diff(np.sort(both[0], axis=1)[:, -2:], axis=1)[:, 0]
    averaged = (both[0] + both[1]) / np.float32(2)
    cooling = temperature(averaged, labels)

    def measured(logits: Logits) -> tuple[float, float]:
        chances = softmax(logits / cooling)[np.arange(count), labels]
        return right(logits, labels), float(-np.log(chances).mean())

    never, always = measured(both[0]), measured(averaged)
    for share in (0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1):
        unsure = np.argsort(gaps)[: int(share * count)]
        logits = both[0].copy()
        logits[unsure] = averaged[unsure]
        accuracy, loss = measured(logits)
        if accuracy >= always[0] - 0.0005 and loss <= (never[1] + 2 * always[1]) / 3:
            break
    assert choose_second_pass(both, labels).share == pytest.approx(share, abs=1 / count)


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
