"""`python -m worker.helpers.mistakes`: what a version took for another label among its held-out
images, and the files of these images, where the data that it was made from are on this machine.

A process of its own, since the producer that reports on a version decodes nothing
(shared/messages/helpers.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from shared import process
from shared.errors import SetupError
from shared.labels.label_line import LabelLine
from shared.labels.submitted_lines import decode_input, input_sha256, labelled
from shared.messages.framing import orders, reply
from shared.messages.helpers import FoundMistakes, Mistake, MistakesQuestion, Searched
from shared.messages.model_card import Card, decode_card
from worker.classify.resource_limits import memory_limit
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.find_images import FoundImage, find_fashion, find_files, find_labelled
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.metrics import confusion, most_confident_mistakes
from worker.requests.evaluate import source
from worker.runtimes.runtime import probabilities

MEMORY_BYTES = 3 << 30
TOP_LABELS = 5
#: Of a version that learned from labelled images alone, of which only tables have the places.
UNPLACED = "not found; name a table of these images with --corrections"

Progress = Callable[[int, int], None]


def main() -> None:
    """Serve until the input ends."""
    process.skip_last_search()
    with memory_limit(MEMORY_BYTES):
        for question in orders(MistakesQuestion):
            reply(answer(question, lambda done, total: reply(Searched(done, total))))


def answer(question: MistakesQuestion, searched: Progress) -> FoundMistakes:
    """The figures of the held-out images and the mistakes, with their files as far as they exist.

    Raises:
        SetupError: the record of the held-out images is damaged.
        BadMessage: the card or the corrections are invalid.
    """
    card = decode_card(question.card)
    corrections = labelled(decode_input(question.corrections, input_sha256(question.corrections)))
    answers = heldout_answers.decode(question.answers, card)
    predicted = probabilities(answers.logits, card.temperature)
    counts = confusion(predicted, answers.labels, len(card.labels))
    chosen = list(_chosen(predicted, answers, question))
    images, note = _images(card, answers, chosen, corrections, searched)
    return FoundMistakes(
        len(answers.labels),
        tuple(map(tuple, counts.tolist())),
        tuple(_mistake(predicted, answers, i, images) for i in chosen),
        note,
    )


def _chosen(
    predicted: npt.NDArray[np.floating], answers: HeldoutAnswers, question: MistakesQuestion
) -> Iterator[int]:
    """The mistakes with the highest confidence, some of each pair of labels."""
    labels = predicted.argmax(1)
    of_pair: Counter[tuple[int, int]] = Counter()
    total = 0
    for i in most_confident_mistakes(predicted, answers.labels).tolist():
        pair = int(answers.labels[i]), int(labels[i])
        if total < question.most and of_pair[pair] < question.most_of_pair:
            of_pair[pair] += 1
            total += 1
            yield i


def _images(
    card: Card,
    answers: HeldoutAnswers,
    chosen: list[int],
    corrections: Sequence[LabelLine],
    searched: Progress,
) -> tuple[dict[int, FoundImage], str]:
    """These held-out images, by their place in the record, and why some are not there."""
    try:
        if answers.files is not None:
            images = _by_digest(card, answers.files, chosen, corrections, searched)
        else:
            hashes = {i: int(answers.images[i]) for i in chosen}
            by_hash = find_fashion(card.preprocessing, set(hashes.values()))
            images = {i: by_hash[key] for i, key in hashes.items() if key in by_hash}
    except SetupError as error:
        return {}, str(error)
    missing = len(chosen) - len(images)
    why = "not found in the data." if card.source else UNPLACED
    return images, f"{missing} of the mistaken images: {why}" if missing else ""


def _by_digest(
    card: Card,
    files: npt.NDArray[np.uint8],
    chosen: list[int],
    corrections: Sequence[LabelLine],
    searched: Progress,
) -> dict[int, FoundImage]:
    """Images by the SHA-256 of their files: where people labelled them, then in the class folders
    that the version was trained on, if there were any."""
    digests = {i: files[i].tobytes() for i in chosen}
    images = find_labelled(corrections, set(digests.values()))
    rest = set(digests.values()) - images.keys()
    if rest and card.source:
        images |= find_files(LabelledData(source(card), corrections), rest, searched)
    return {i: images[key] for i, key in digests.items() if key in images}


def _mistake(
    predicted: npt.NDArray[np.floating],
    answers: HeldoutAnswers,
    i: int,
    images: dict[int, FoundImage],
) -> Mistake:
    top = np.argsort(-predicted[i], kind="stable")[:TOP_LABELS]
    image = images.get(i, FoundImage())
    return Mistake(
        int(answers.labels[i]), tuple(top.tolist()), tuple(predicted[i][top].tolist()), *image
    )


if __name__ == "__main__":
    main()
