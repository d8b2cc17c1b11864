"""docs/python.md: each block of code runs, in order, and prints what the page shows."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import hangtag
from producer.people import alike
from producer.people.folder_images import Computed
from producer.trainer.submit import data_place
from shared.labels.class_folders import folder_of
from shared.messages.replies import FEATURES_FILE, DescribedFolder
from shared.messages.requests import ComputeFeatures
from shared.settings import Settings
from tests.support.jobs import handler_context
from tests.support.processes import local_stack
from tests.support.servers.redis_server import RedisServer
from worker.datasets.demo import silhouette
from worker.datasets.fashion_mnist import LABELS
from worker.requests import folder_features

pytestmark = pytest.mark.trains
PAGE = Path(__file__).parents[2] / "docs/python.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DRAWN, OF_LABEL = (1, 3, 8), 20


def draw(folder: Path) -> None:
    """Silhouettes that the version that ships recognizes, in folders named like labels."""
    for label in DRAWN:
        place = folder / folder_of(LABELS[label])
        place.mkdir(parents=True)
        for seed in range(OF_LABEL):
            Image.fromarray(silhouette(label, seed)).save(place / f"{seed:03}.png")
    (folder / LABELS[1] / "broken.png").write_bytes(b"no image")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder with `clothes/`, and a stack of this machine that starts when it is needed."""
    for place in local_stack.new():
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        place.request_one_process()
        draw(tmp_path / "clothes")
        monkeypatch.chdir(tmp_path)
        yield tmp_path


@pytest.fixture
def _features_of_this_process(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features are computed in this process."""
    store = tmp_path_factory.mktemp("store")

    def computed(settings: Settings, folder: str, *_: object) -> Computed:
        work = ComputeFeatures(data_place(folder, settings))
        reply = folder_features.compute(handler_context.make(server, store, work)[0], work)
        assert isinstance(reply.answer, DescribedFolder)
        return Computed(reply.answer, reply.files[FEATURES_FILE])

    monkeypatch.setattr(alike, "computed", computed)


def blocks() -> list[tuple[str, str]]:
    """Each block of code with the output that follows it, if the page shows one."""
    found = [match.groups() for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
    assert {kind for kind, _ in found} == {"python", "text"}
    code = [(i, text) for i, (kind, text) in enumerate(found) if kind == "python"]
    after = [*found[1:], ("", "")]
    return [(text, after[i][1] if after[i][0] == "text" else "") for i, text in code]


@pytest.mark.usefixtures("_features_of_this_process")
def test_the_page_is_as_it_runs(here: Path) -> None:
    names: dict[str, Any] = {}
    for code, shown in blocks():
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, PAGE.name, "exec"), names)
        assert printed.getvalue() == shown, code
    for name in [name for name, value in names.items() if isinstance(value, hangtag.Result)]:
        names[name].close()
    assert sorted(os.listdir(here)) == [
        "clothes", "clothes.csv", "clothes.csv.hangtag", "clothes.html", "clothes.labels.jsonl",
        "copy.csv", "copy.parquet",
    ]  # fmt: skip
