"""Images of a page: how one differs from the truth, and where its pictures open."""

from __future__ import annotations

from producer.pages.figures import matrix
from producer.pages.shots import Answer, Shot, galleries
from shared.messages.helpers import Thumbnail

NAMES = ("boot", "coat")


def shot(truth: int | None, label: int, confidence: float = 0.5, row: int = 1) -> Shot:
    answer = Answer(NAMES[label], confidence, right=truth == label)
    stated = "" if truth is None else NAMES[truth]
    return Shot("a.png", "a.png", Thumbnail(), (truth, label), [answer], (row,), truth_text=stated)


def test_a_cell_of_the_matrix_opens_its_pictures_and_no_others() -> None:
    shots = [shot(0, 1), shot(0, 1), shot(1, 1), shot(None, 1)]
    found = matrix(NAMES, lambda truth, label: 9, shots, (0, 1))
    assert [[cell.pictures for cell in line.cells] for line in found.lines] == [[0, 2], [0, 1]]


def test_the_images_of_a_label_are_in_one_group_the_least_confident_first() -> None:
    shots = [shot(0, 1, 0.9), shot(1, 1, 0.2, 7), shot(1, 1, 0.2, 3), shot(0, 0)]
    groups = galleries(shots, NAMES, (1, 5), lambda shown, all_: f"{shown} of {all_}")
    assert [(group.title, group.number, group.note) for group in groups] == [
        ("boot", "1", "1 of 1"),
        ("coat", "5", "3 of 5"),
    ]
    assert [one.rows for one in groups[1].shots] == [(3,), (7,), (1,)]
