"""An exported version gives the labels of `hangtag classify` where there is no Hangtag."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from shared.messages.model_card import ImportedNetwork
from shared.registry import mirror_writer
from shared.registry.registry import Registry
from shared.runtimes import LITERT
from tests.support.images import shapes
from tests.support.images.gallery import Gallery
from tests.support.jobs import photo_versions
from tests.support.jobs.photo_versions import LITE0, LITE2
from tests.support.models import drawn_networks, drawn_tflite, drawn_versions
from tests.support.processes import in_process
from tests.support.processes.fleet import ROOT, Fleet

#: Runs a script without the folders of Hangtag, none of which it may import.
WITHOUT_HANGTAG = """
import runpy, sys
script, root, *pictures = sys.argv[1:]
sys.path = [folder for folder in sys.path if folder != root]
sys.argv = [script, *pictures]
runpy.run_path(script, run_name="__main__")
assert not {"hangtag", "producer", "worker", "shared"} & set(sys.modules)
"""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TIMM = ImportedNetwork("onnx", "0-1", MEAN, STD, layout="nchw")
#: The quantized network of Teachable Machine.
MACHINE = ImportedNetwork("litert", "0-255", is_softmax=True)
#: About half of the answers of the drawn heads have a smaller margin.
MARGIN = 30.0
PICTURES = 100
#: A JPEG and a PNG of these are large, which takes seconds.
LARGE = (3, 14)
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures in each orientation and mode, some of them large."""
    cwd = tmp_path_factory.mktemp("export")
    (cwd / "photos").mkdir()
    modes = ("RGB", "RGB", "L", "CMYK"), ("RGB", "RGBA", "P", "L", "LA")
    for number in range(PICTURES):
        shape = list(shapes.CORNERS)[number % 3]
        picture = shapes.draw(shape, number)
        if number in LARGE:
            picture = picture.resize((3201, 2403), Image.Resampling.BICUBIC)
        kind = number % 2
        mode = modes[kind][number // 2 % len(modes[kind])]
        if "A" in mode:
            picture.putalpha(picture.convert("L"))
        exif = Image.Exif()
        exif[ORIENTATION] = number // 2 % 8 + 1
        name = f"{number:03}.{('jpg', 'png')[kind]}"
        picture.convert(mode).save(cwd / "photos" / name, exif=exif)
    return cwd


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> Registry:
    registry = Registry(tmp_path_factory.mktemp("store") / "store")
    photo_versions.publish_twice_looking(registry, "twice", MARGIN)
    drawn_versions.publish(registry, drawn_networks.timm(), TIMM)
    machine = drawn_versions.card(MACHINE, drawn_tflite.SIDE, "machine")
    registry.publish(machine, {LITERT.artifact: drawn_tflite.file(is_quantized=True)})
    mirror_writer.publish(fleet.client, registry)
    return registry


def run_script(folder: Path, cwd: Path, paths: list[str]) -> subprocess.CompletedProcess[str]:
    command = ["-I", "-c", WITHOUT_HANGTAG, str(folder / "classify.py"), str(ROOT), *paths]
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env={}, capture_output=True, text=True
    )


def script_rows(folder: Path, cwd: Path, paths: list[str]) -> dict[str, tuple[str, float]]:
    """Path -> label and confidence, by the exported script."""
    done = run_script(folder, cwd, paths)
    assert done.returncode == 0, done.stderr
    cells = (line.split("\t") for line in done.stdout.splitlines())
    return {path: (label, float(confidence)) for label, confidence, path in cells}


def table_rows(fleet: Fleet, model: str, cwd: Path, table: Path) -> dict[str, tuple[str, float]]:
    [folder] = (path.name for path in cwd.iterdir() if path.is_dir())
    arguments = ("classify", folder, "--model", model, "-o", str(table))
    job = in_process.run(fleet, *arguments, cwd=cwd)
    assert job.code == 0, job.story
    with table.open(newline="", encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    return {path: (row["label"], float(row["confidence"])) for path, row in rows.items()}


def export(fleet: Fleet, model: str, folder: Path) -> str:
    done = in_process.run(fleet, "models", "export", model, "-o", str(folder), cwd=folder.parent)
    assert done.code == 0, done.story
    return done.out


def assert_alike(found: dict[str, tuple[str, float]], rows: dict[str, tuple[str, float]]) -> None:
    assert found.keys() <= rows.keys()
    assert [path for path in found if found[path][0] != rows[path][0]] == []
    assert [path for path in found if abs(found[path][1] - rows[path][1]) > 0.01] == []


@pytest.mark.nightly
@pytest.mark.usefixtures("registry")
def test_photos_with_two_looks_get_the_same_labels(
    fleet: Fleet, photos: Path, tmp_path: Path
) -> None:
    said = export(fleet, "twice", tmp_path / "out")
    assert f"python {tmp_path}/out/classify.py PICTURE" in said
    assert sorted(os.listdir(tmp_path / "out")) == [
        "classify.py", LITE0.file, LITE2.file, "heads.npz", "labels.txt", "preprocessing.json",
    ]  # fmt: skip
    rows = table_rows(fleet, "twice", photos, tmp_path / "out.csv")
    assert len(rows) == PICTURES
    assert_alike(script_rows(tmp_path / "out", photos, list(rows)), rows)
    file = tmp_path / "out" / "preprocessing.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"margin": 0}))
    once = script_rows(tmp_path / "out", photos, list(rows))
    assert 0.1 < sum(once[path] != rows[path] for path in rows) / PICTURES < 0.9


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("model", ["mine", "machine"])
def test_a_network_of_another_tool_gets_the_same_labels(
    fleet: Fleet, photos: Path, tmp_path: Path, model: str
) -> None:
    export(fleet, model, tmp_path / "out")
    rows = table_rows(fleet, model, photos, tmp_path / "out.csv")
    assert len(rows) == PICTURES
    assert_alike(script_rows(tmp_path / "out", photos, list(rows)), rows)


def test_a_network_with_mirrored_passes_gets_the_same_labels(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    export(fleet, "fashion-mnist@0", tmp_path / "out")
    rows = table_rows(fleet, "fashion-mnist@0", images.cwd, tmp_path / "out.csv")
    assert_alike(script_rows(tmp_path / "out", images.cwd, list(rows)[:PICTURES]), rows)


def test_the_script_names_what_it_cannot_read_and_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    export(fleet, "fashion-mnist@0", tmp_path / "out")
    Image.new("I;16", (28, 28)).save(tmp_path / "wide.png")
    Image.new("L", (280, 280), 255).save(tmp_path / "photo.png")
    (tmp_path / "rubbish.png").write_bytes(b"rubbish")
    Image.new("L", (28, 28)).save(tmp_path / "small.png")
    refused = {"wide.png": "more than 8 bits", "photo.png": "only hangtag classify",
               "rubbish.png": "cannot identify"}  # fmt: skip
    done = run_script(tmp_path / "out", tmp_path, [*refused, "small.png"])
    assert done.returncode == 1
    assert [line.split("\t")[-1] for line in done.stdout.splitlines()] == ["small.png"]
    for name, why in refused.items():  # beside lines of the runtime
        [line] = (line for line in done.stderr.splitlines() if line.startswith(f"{name}: "))
        assert why in line


def test_an_export_replaces_no_file_unasked(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("mine\n")
    command = ("models", "export", "fashion-mnist@0", "-o", str(tmp_path))
    refused = in_process.run(fleet, *command, cwd=tmp_path)
    assert refused.code == 2
    assert refused.log.splitlines() == [
        f"hangtag: {tmp_path}/labels.txt exists; choose another folder, or add --force"
    ]
    assert os.listdir(tmp_path) == ["labels.txt"]
    assert in_process.run(fleet, *command, "--force", cwd=tmp_path).code == 0
    assert (tmp_path / "labels.txt").read_text().startswith("T-shirt")
