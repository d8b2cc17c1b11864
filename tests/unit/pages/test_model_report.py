"""`hangtag models report`: figures of a version, and its mistakes with the files of the data."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from producer.cli.main import hangtag
from producer.pages import model_report
from producer.pages.model_report import WrittenVersion
from shared.errors import Exit
from shared.labels.submitted_lines import encode_lines
from shared.messages.helpers import FoundMistakes, MistakesQuestion
from shared.messages.model_card import Card, Preprocessing, encode_card
from shared.registry import learned_lines, packaged
from shared.registry.registry import Registry
from tests.support.images.encoders import save
from tests.support.jobs import decided
from tests.support.pages.parsed import Parsed
from worker.datasets.examples import Examples
from worker.decoding.decode import decode
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import FILE
from worker.helpers import mistakes
from worker.helpers.mistakes import Progress

SPEC = Preprocessing(12, 12, 3)
LABELS = ("cat", "dog")


def run(model: str, output: Path, *more: str) -> Result:
    arguments = ["models", "report", model, "-o", str(output), "--json", *more]
    return CliRunner().invoke(hangtag, arguments)


def written(model: str, output: Path, *more: str) -> tuple[WrittenVersion, Parsed]:
    result = run(model, output, *more)
    assert result.exit_code == Exit.OK, result.output
    found = msgspec.json.decode(result.stdout, type=WrittenVersion)
    return found, Parsed(output.read_text(encoding="utf-8"))


def folder(root: Path, count: int = 40) -> list[Path]:
    """Class folders of different images."""
    chance = np.random.default_rng(3)
    paths = []
    for i in range(count):
        path = root / LABELS[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 255, (12, 12, 3), np.uint8).astype(np.uint8)
        path.write_bytes(save(Image.fromarray(pixels), "PNG"))
        paths.append(path)
    return paths


def publish(
    store: Path,
    paths: list[Path],
    predicted: list[int],
    source: str | None = None,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """A version whose held-out images are these files, with these predicted labels."""
    images = np.stack([decode(path.read_bytes(), SPEC) for path in paths])
    truth = np.array([LABELS.index(path.parent.name) for path in paths])
    sure = np.linspace(1, 5, len(paths))
    logits = np.zeros((len(paths), 2), np.float32)
    logits[np.arange(len(paths)), predicted] = sure
    joined = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)
    digests = np.frombuffer(joined, np.uint8).reshape(-1, 32)
    answers = heldout_answers.recorded(Examples(images, truth), logits, digests)
    card = msgspec.structs.replace(
        packaged.card(), name="pets", labels=LABELS, preprocessing=SPEC, temperature=1.0,
        operating_points=(), pixel_bounds=None,
        source=str(paths[0].parent.parent) if source is None else source,
    )  # fmt: skip
    record = {FILE: heldout_answers.encode(answers)}
    return Registry(store).publish(card, {**record, **files}).ref


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search without the process for it, which other tests here have."""

    def find_here(
        card: Card, answers: bytes, corrections: bytes | None, on_progress: Progress
    ) -> FoundMistakes:
        limits = model_report.MOST, model_report.MOST_OF_PAIR
        question = MistakesQuestion(encode_card(card), answers, *limits, corrections)
        return mistakes.answer(question, on_progress)

    monkeypatch.setattr(model_report, "find_mistakes", find_here)


def test_the_packaged_version_has_its_figures_and_mistakes(tmp_path: Path) -> None:
    found, page = written("fashion-mnist@0", tmp_path / "page.html")
    page.check_harmless()
    text = "".join(page.text)
    metrics = packaged.card().metrics
    assert f"{metrics.test_accuracy:.2%}" in text
    assert f"{metrics.heldout_accuracy:.2%}" in text
    assert found.notices == ()
    assert 100 < found.mistakes < found.wrong <= 230
    assert f"{found.wrong} of 5,000" in " ".join(text.split())
    names = re.findall(r"image (\d+) of the training file", text)
    assert len(set(names)) == found.mistakes
    shown = [image for image in page.all("img") if "of the training file" in image["alt"]]
    assert len(shown) == found.mistakes
    assert any(image["alt"].startswith("Training: ") for image in page.all("img"))  # curves


def test_photos_that_were_labelled_one_by_one_are_found_by_the_record_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(tmp_path / "store"))
    held = folder(tmp_path / "inbox")[:4]
    learned = [decided.file_of(path.read_bytes(), path.parent.name, path) for path in held]
    files = {learned_lines.FILE: encode_lines(learned)}
    ref = publish(tmp_path / "store", held, [1, 0, 1, 0], "", files)
    found, page = written(ref, tmp_path / "page.html")
    assert (found.mistakes, found.notices) == (4, ())
    assert all(str(path) in "".join(page.text) for path in held)
    held[0].write_bytes(b"another photo")
    held[1].unlink()
    found, page = written(ref, tmp_path / "page.html")
    assert found.notices == (f"2 of the mistaken images: {mistakes.UNPLACED}",)
    assert len(page.all("img")) == 2


def test_data_that_are_gone_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    monkeypatch.setenv("HANGTAG_STORE", str(tmp_path / "store"))
    paths = folder(tmp_path / "pets")
    ref = publish(tmp_path / "store", paths[:4], [1, 0, 1, 0])
    paths[0].unlink()
    found, page = written(ref, tmp_path / "page.html")
    assert found.notices == ("1 of the mistaken images: not found in the data.",)
    os.rename(tmp_path / "pets", tmp_path / "moved")
    found, page = written(ref, tmp_path / "page.html")
    assert "which is not a folder here" in found.notices[0]
    assert found.mistakes == 4
    assert not page.all("img")


def test_a_version_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert run("fashion-mnist@99", tmp_path / "page.html").exit_code == Exit.SETUP
    assert not (tmp_path / "page.html").exists()
