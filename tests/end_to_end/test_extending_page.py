"""docs/extending.md: each example works where it is plugged in."""

from __future__ import annotations

import io
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import hangtag
from producer.job import columns
from producer.monitor import doctor
from producer.pages import page
from producer.sources import source as kinds
from producer.table import table_formats
from shared import image_status, recipes, runtimes
from shared.messages.training import Train
from shared.registry import packaged
from tests.support.processes import in_process, local_stack
from worker.backbones import backbone_table
from worker.datasets.demo import silhouette
from worker.datasets.fashion_mnist import LABELS
from worker.runtimes import load_runtime
from worker.train import learner

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
TABLES: list[Any] = [
    kinds.SOURCES, table_formats.FORMATS, table_formats.BY_SUFFIX, columns.SINGLE,
    runtimes.RUNTIMES, backbone_table.BACKBONES, recipes.RECIPES, doctor.CHECKS, page.FOLDERS,
]  # fmt: skip
MOST_LINES = 30


def example(heading: str, kind: str = "python") -> str:
    """The code below a heading of the page."""
    section = re.split(r"^## ", PAGE.split(f"\n## {heading}\n")[1], flags=re.M)[0]
    (code,) = re.findall(rf"^```{kind}\n(.*?)^```$", section, re.M | re.S)
    assert len(list(filter(str.strip, code.splitlines()))) <= MOST_LINES
    return str(code)


def run(heading: str, name: str = "", file: str = "") -> ModuleType:
    """Import the example below a heading, as the module with this name."""
    name = name or "example"
    module = sys.modules.setdefault(name, ModuleType(name))  # where rows find their classes
    module.__file__ = file
    exec(compile(example(heading), f"docs/extending.md: {heading}", "exec"), vars(module))
    return module


@pytest.fixture(autouse=True)
def _rows_are_removed() -> Iterator[None]:
    before = [table.copy() for table in TABLES]
    yield
    sys.modules.pop("example", None)
    for table, rows in zip(TABLES, before, strict=True):
        table.clear()
        table.extend(rows) if isinstance(table, list) else table.update(rows)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[local_stack.Place]:
    for place in local_stack.new():
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        place.request_one_process()
        monkeypatch.chdir(tmp_path)
        yield place


def png(label: int, seed: int) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(silhouette(label, seed)).save(file, "PNG")
        return file.getvalue()


def archive(path: Path) -> dict[str, bytes]:
    """An SQLite archive of drawings and of a damaged file; returns what is in it."""
    files = {f"a|b {label}.png": png(label, 1) for label in (1, 8)} | {"broken.png": b"no image"}
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sqlar(name TEXT PRIMARY KEY, mode, mtime, sz, data)")
        rows = [(name, 0o644, 1_700_000_000, len(data), data) for name, data in files.items()]
        database.executemany("INSERT INTO sqlar VALUES (?, ?, ?, ?, ?)", rows)
    database.close()
    return files


def test_a_source_a_form_a_column_and_a_page_are_used_by_a_job(
    stack: local_stack.Place, tmp_path: Path
) -> None:
    for heading in ("A source", "A form of a table", "A column"):
        run(heading)
    files = archive(tmp_path / "photos.sqlar")
    named = ["label", "status", "bytes"]
    with hangtag.classify("photos.sqlar", output="photos.md", columns=named, progress=False):
        lines = (tmp_path / "photos.md").read_text().splitlines()
    assert lines[:2] == ["| path | label | status | bytes |", "|---|---|---|---|"]
    assert lines[2:] == [
        *(
            f"| photos.sqlar/a\\|b {label}.png | {LABELS[label]} | ok | {len(files[name])} |"
            for label in (1, 8)
            for name in [f"a|b {label}.png"]
        ),
        "| photos.sqlar/broken.png |  | unsupported |  |",
    ]
    verified = in_process.run_with(stack.environment, "verify", "photos.md", cwd=tmp_path)
    assert verified.code == 0, verified.story
    (tmp_path / "failed.html").write_text(example("A page", "html"))
    failed = run("A page", file=str(tmp_path / "example.py"))
    failed.write_failed(tmp_path / "photos.md", tmp_path / "page.html")
    shown = (tmp_path / "page.html").read_text()
    assert "<h1>Failed images</h1>" in shown
    assert "photos.sqlar/broken.png: The file is not a JPEG" in shown


def test_a_status_is_a_last_row() -> None:
    source = Path(image_status.__file__).read_text(encoding="utf-8")
    rows, methods = source.split("\n    def __new__", 1)
    more: dict[str, Any] = {}
    exec(f"{rows}    {example('A status')}\n    def __new__{methods}", more)
    added = more["Status"]("encrypted")
    assert (added.code, added.sentence) == (len(image_status.BY_CODE), "The file is encrypted.")


def test_a_runtime_loads_its_file_of_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    module = run("A runtime", "worker.runtimes.numpy_runtime")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    card = msgspec.structs.replace(
        packaged.card(), features=0, temperature=1.0, second_pass_margin=0.0
    )
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(size=(28 * 28, 10)).astype(np.float32), np.arange(10, dtype="f4")
    with io.BytesIO() as file:
        np.savez(file, weights=weights, bias=bias)
        loaded = load_runtime.load("numpy", card, file.getvalue())
    images = rng.integers(0, 256, (3, 28, 28, 1), np.uint8)
    logits = images.reshape(3, -1) / 255 @ weights + bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    assert loaded.predict(images) == pytest.approx(powers / powers.sum(1, keepdims=True), abs=1e-4)


def test_a_recipe_trains_a_version_with_a_backbone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("A backbone and a recipe")
    lite0 = packaged.BACKBONES / "efficientnet-lite0.tflite"
    (tmp_path / "my-net.tflite").write_bytes(lite0.read_bytes())
    monkeypatch.setattr(packaged, "BACKBONES", tmp_path)
    for label in (1, 8):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        for seed in range(20):
            (tmp_path / f"photos/{label}/{seed}.png").write_bytes(png(label, seed))
    recipe = recipes.find("photo-once")
    work = Train("mine", recipe.name, data=str(tmp_path / "photos"))
    made = learner.load(learner.Task(work, recipe, store=tmp_path / "store")).build()
    assert [look.backbone for look in made.card.looks] == ["my-net"]
    assert made.files["my-net.tflite"] == lite0.read_bytes()
    assert made.card.metrics.heldout_accuracy > 0.9


def test_a_check_of_doctor_is_a_finding(stack: local_stack.Place) -> None:
    run("A check of doctor")
    assert "limits" in {finding.topic for finding in doctor.examine().findings}
