"""Images without a label by which a version of first labels is judged: labelled ones are found by
content, whichever are drawn, and without two labels no guess has a chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from shared.labels.labelled_files import LabelledFile
from tests.support.images import shapes
from worker.datasets.folder_layout import Item
from worker.handlers import unlabelled_acceptance
from worker.handlers.unlabelled_acceptance import _items, _Stacks
from worker.labelling.session import NONE


def labelled(paths: Sequence[Path], recorded: Path | None = None) -> list[LabelledFile]:
    """As a training gets them, which knows no paths unless an earlier one had them."""
    contents = [path.read_bytes() for path in paths]
    place = b"" if recorded is None else bytes(recorded)
    return [
        LabelledFile(hashlib.sha256(data).hexdigest(), len(data), "circle", place)
        for data in contents
    ]


def paths_of(items: Sequence[Item]) -> list[Path]:
    return [Path(item.path.decode()) for item in items]


def test_every_labelled_image_comes_before_a_draw_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes.write(tmp_path, "circle", 12)
    every = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    monkeypatch.setattr(unlabelled_acceptance, "MOST_JUDGED", 3)
    known, others = map(paths_of, _items(tmp_path, labelled(every[:5]), []))
    assert sorted(known) == every[:5]
    assert len(others) == 3
    assert set(others) < set(every[5:])
    assert list(map(paths_of, _items(tmp_path, labelled(every[:5]), []))) == [known, others]


def test_images_with_an_excluded_name_are_evidence_and_others_only_if_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes.write(tmp_path, "circle", 12)
    every = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    monkeypatch.setattr(unlabelled_acceptance, "MOST_JUDGED", 3)
    files = labelled(every)
    excluded = [replace(file, label="", excluded=("circle",)) for file in files]
    known, others = map(paths_of, _items(tmp_path, excluded, [file.sha256 for file in files]))
    assert len(others) == 3
    assert sorted([*known, *others]) == every


def test_a_labelled_image_is_found_after_it_was_moved_and_where_it_was_outside(
    tmp_path: Path,
) -> None:
    shapes.write(tmp_path / "photos", "circle", 2)
    shapes.write(tmp_path / "elsewhere", "square", 1)
    [outside] = (path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file())
    first, second = sorted(path for path in (tmp_path / "photos").rglob("*") if path.is_file())
    files = [*labelled([first], tmp_path / "was here.png"), *labelled([outside], outside)]
    files += [LabelledFile("0" * 64, 9, "circle", b""), LabelledFile("1" * 64, 9, "", b"x")]
    known, others = map(paths_of, _items(tmp_path / "photos", files, []))
    assert sorted([*known, *others]) == sorted([first, second, outside])


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0]])
def test_no_guess_has_a_chance_while_one_label_is_known(labels: list[int]) -> None:
    features = np.random.default_rng(1).normal(size=(9, 5)).astype(np.float32)
    every = np.array([*labels, *[NONE] * (9 - len(labels))])
    stacks = _Stacks(features, every, [set()] * 9, np.zeros(9, bool))
    assert stacks.guessed(1)[1].tolist() == [0.0] * 9
