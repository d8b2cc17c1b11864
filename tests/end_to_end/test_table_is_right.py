"""The table of the whole system equals that of a plain loop over the same files."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from shared.errors import Exit
from shared.registry import packaged
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs import accuracy, expected_table
from tests.support.jobs.claims import job_keys
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet, Producer


def classify(fleet: Fleet, images: Gallery, output: Path, *options: str) -> Path:
    job = in_process.run(fleet, "classify", FOLDER, "-o", str(output), *options, cwd=images.cwd)
    assert job.code == 0, job.story
    assert job_keys(fleet.client) == []
    return output


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table(fleet: Fleet, images: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the whole gallery."""
    return classify(fleet, images, tmp_path_factory.mktemp("table") / "out.csv")


def test_every_file_has_its_row_in_path_order_with_the_bytes_of_a_plain_loop(
    table: Path, images: Gallery
) -> None:
    assert [row["path"] for row in rows(table)] == images.paths
    assert table.read_bytes() == images.table


def test_the_accuracy_is_the_recorded_one(table: Path, images: Gallery) -> None:
    right, count = accuracy.of_folders(table)
    assert count == len(images.paths)
    if images.real:
        assert not accuracy.off("gallery", right)
    else:
        assert right / count > 0.5  # drawings are unlike the training images


def test_top_k_and_probabilities_agree_with_the_label(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    wanted = images.paths[::3]  # two messages
    (tmp_path / "list.txt").write_text("\n".join(wanted) + "\n")
    job = fleet.producer(
        "classify", "--list", str(tmp_path / "list.txt"), "-o", str(tmp_path / "out.csv"),
        "--top-k", "3", "--probabilities", cwd=images.cwd,
    )  # fmt: skip
    assert job.wait() == 0, job.story
    table = tmp_path / "out.csv"
    expected = expected_table.table(images.cwd, wanted, top=3, probabilities=True)
    assert table.read_bytes() == expected
    for row in rows(table):
        every = {label: float(row[f"p_{label}"]) for label in packaged.card().labels}
        assert float(row["confidence"]) == max(every.values()) == every[row["label"]]
        assert row["confidence"] >= row["confidence_2"] >= row["confidence_3"]
        assert sum(every.values()) == pytest.approx(1, abs=1e-3)


def test_a_piped_list_is_classified_in_the_background(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    """The producer reads it, refuses a wrong one, and waits for the end of a slow one."""
    output = str(tmp_path / "out.csv")

    def submit(stdin: str) -> Producer:
        return fleet.producer(
            "classify", "--detach", "--list", "-", "-o", output, cwd=images.cwd, stdin=stdin
        )

    empty = submit("")
    assert empty.wait() == Exit.USAGE, empty.story
    *notices, error = empty.log.splitlines()  # notices of a slow start come first
    assert error.endswith("names no file; give one path a line"), empty.story
    assert all("has not started yet" in notice for notice in notices), empty.story
    assert os.listdir(tmp_path) == []
    wanted = images.paths[:40]
    started = submit("\n".join(wanted))
    assert started.wait() == 0, started.story
    collected = in_process.run(fleet, "collect", output, cwd=images.cwd)
    assert collected.code == 0, collected.story
    assert (tmp_path / "out.csv").read_bytes() == expected_table.table(images.cwd, wanted)
    verified = in_process.run(fleet, "verify", output, cwd=images.cwd)
    assert verified.code == 0, verified.story


def test_second_guesses_are_displayed_later_without_classifying_again(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    wanted = images.paths[::20]
    (tmp_path / "list.txt").write_text("\n".join(wanted) + "\n")
    table, listed = tmp_path / "out.csv", ("--list", str(tmp_path / "list.txt"))
    job = in_process.run(fleet, "classify", *listed, "-o", str(table), cwd=images.cwd)
    assert job.code == 0, job.story
    plain = table.read_bytes()
    assert plain == expected_table.table(images.cwd, wanted)
    for top in (3, 1):
        shown = in_process.run(fleet, "table", str(table), "--top-k", str(top), cwd=images.cwd)
        assert shown.code == 0, shown.story
        assert table.read_bytes() == expected_table.table(images.cwd, wanted, top=top)
    assert table.read_bytes() == plain
    more = in_process.run(fleet, "table", str(table), "--top-k", "4", cwd=images.cwd)
    assert more.code == Exit.USAGE
    assert "the job has 3 of 10 labels for each image" in more.story


@pytest.mark.nightly
def test_tensorflow_in_fp32_and_litert_in_int8_give_nearly_the_same_table(
    fleet: Fleet, tmp_path: Path
) -> None:
    few = gallery.make(tmp_path, 200)
    light = rows(classify(fleet, few, tmp_path / "litert.csv"))
    heavy = rows(classify(fleet, few, tmp_path / "tf.csv", "--runtime", "tensorflow"))
    assert [row["path"] for row in light] == [row["path"] for row in heavy]
    pairs = list(zip(light, heavy, strict=True))
    assert sum(one["label"] == other["label"] for one, other in pairs) >= 0.985 * len(pairs)
    gaps = [abs(float(one["confidence"]) - float(other["confidence"])) for one, other in pairs]
    assert sum(gaps) / len(gaps) < 0.01
