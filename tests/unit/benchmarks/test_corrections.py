"""The benchmark of corrections: which photos it takes, and where it writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.corrections import LOOP
from benchmarks.report.correction_blocks import Loop, loop_block
from benchmarks.report.page_blocks import written
from benchmarks.workloads import labelled_photos
from shared.errors import UsageError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    counts = {"train/bag": 9, "train/hat": 8, "train/shoe": 2, "test/bag": 3, "test/hat": 1}
    for folder, count in counts.items():
        (tmp_path / folder).mkdir(parents=True)
        for n in range(count):
            (tmp_path / folder / f"{n}.jpg").write_text(f"{folder} {n}")
    return tmp_path


def contents(folder: Path) -> Counter[str]:
    return Counter(path.read_text() for path in folder.rglob("*.jpg"))


def test_the_inbox_has_other_photos_than_those_to_learn_from(data: Path, tmp_path: Path) -> None:
    pool = labelled_photos.read(data, 5)
    truths = labelled_photos.few(pool, tmp_path / "to", 3, 6, seed=1)
    assert labelled_photos.write_test(pool, tmp_path / "to/test") == 4
    photos, inbox = contents(tmp_path / "to/photos"), contents(tmp_path / "to/inbox")
    assert (photos.total(), inbox.total(), len(truths)) == (6, 6, 6)
    assert max((photos + inbox + contents(tmp_path / "to/test")).values()) == 1
    for name, label in truths.items():
        assert (tmp_path / "to/inbox" / name).read_text().startswith(f"train/{label} ")


def test_planted_photos_are_in_another_class(data: Path, tmp_path: Path) -> None:
    pool = labelled_photos.read(data, 5)
    truths = labelled_photos.planted(pool, tmp_path / "to", 12, 4, seed=1)
    wrong = {
        str(path.relative_to(tmp_path / "to/photos"))
        for path in (tmp_path / "to/photos").rglob("*.jpg")
        if not path.read_text().startswith(f"train/{path.parent.name} ")
    }
    assert contents(tmp_path / "to/photos").total() == 12
    assert set(truths) == wrong
    assert len(wrong) == 4


def test_a_folder_without_enough_photos_is_named(data: Path) -> None:
    with pytest.raises(UsageError, match="fewer than two classes"):
        labelled_photos.read(data, 9)


def test_only_its_own_block_of_the_page_is_written() -> None:
    kind = "corrections"
    page = "a\n<!-- corrections:loop -->\nold\n<!-- /corrections -->\nb\n"
    block = loop_block([Loop(0.5, 0.7, 0.6, 30, 5), Loop(0.5, 0.6, 0.7, 20, 6)])
    found = written(page, kind, {LOOP: block, "planted": "none"})
    assert found == page.replace("old", block)
    assert "better in 1 of 2 draws" in block
    assert written(found, kind, {LOOP: "old"}) == page
    two = "<!-- corrections:loop -->\n<!-- /corrections -->\n" + page.replace("loop", "planted")
    assert written(written(two, kind, {LOOP: block}), kind, {"planted": "new"}) == two.replace(
        "loop -->\n", f"loop -->\n{block}\n"
    ).replace("old", "new")
