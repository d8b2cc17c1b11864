"""Photographs in class folders, synthetic or real ones, and a version that was trained on some."""

from __future__ import annotations

import io
import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.environment.paths import DATA, STORE
from benchmarks.workloads.labelled_photos import linked
from benchmarks.workloads.networks import Network
from shared.messages.training import Serve
from shared.registry.registry import Registry

MODEL = "photos"
#: The name in the benchmark's tables.
NETWORK = "photo"
RECIPE = "photo-head"


class Kind(NamedTuple):
    """Photographs of one size."""

    name: str
    size: tuple[int, int]  #: width, height in pixels


#: As photographs in mails and on web pages, 17 kB.
SMALL = Kind("400x534", (400, 534))
#: Of a camera, 12 megapixels. Their quality decides their bytes, 200 kB, and not the memory.
CAMERA_PIXELS, CAMERA_QUALITY = (4000, 3000), 40
#: Different photographs among those of a camera; the others differ in bytes after the image.
CAMERA_DISTINCT = 200
#: Of JPEG files of a phone's pictures: about the bytes that a phone writes.
PHONE_QUALITY = 90
#: Photographs to train on: enough for a head, whose accuracy does not matter here.
TRAINING = 300
#: To describe files, one of this number of them is opened.
MEASURED_EVERY = 10
#: Photographs whose numbers start here are not trained on.
CLASSIFIED_FROM = 10_000


def make(kind: Kind, count: int, first: int = CLASSIFIED_FROM) -> Path:
    """A folder of `count` photographs, created once and read into the page cache.

    Raises:
        SetupError: Fashion-MNIST is not available.
    """
    from worker.datasets import fashion_mnist

    folder = DATA / f"{kind.name}-{first}-{count}"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        images, labels = fashion_mnist.load("train")
        names = [f"class-{label}" for label in range(10)]
        for name in names:
            (part / name).mkdir(parents=True)
        numbers = range(first, first + count)
        tasks = [(images[n], n, part / names[labels[n]] / f"{n:05}.jpg") for n in numbers]
        with multiprocessing.get_context("spawn").Pool() as pool:
            pool.starmap(partial(_write, kind), tasks, chunksize=8)
        part.rename(folder)
    for path in folder.rglob("*.jpg"):
        path.read_bytes()
    return folder


def real(photos: Path, count: int) -> Path:
    """A folder of `count` of these photos, some of them repeatedly, read into the page cache."""
    folder = DATA / f"real-{photos.resolve().parent.name}-{count}"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        files = sorted(path for path in photos.rglob("*") if path.is_file())
        for number in range(count):
            file = files[number % len(files)]
            (part / file.parent.name).mkdir(parents=True, exist_ok=True)
            linked(file, part / file.parent.name / f"{number:05}{file.suffix}")
        part.rename(folder)
    for path in folder.rglob("*.*"):
        path.read_bytes()
    return folder


def as_jpeg(photos: Path) -> Path:
    """A folder of JPEG files of the pictures in a folder of HEIC files."""
    import pi_heif
    from PIL import Image

    pi_heif.register_heif_opener()
    folder = DATA / f"{photos.resolve().parent.name}-jpeg" / photos.name
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(photos.iterdir()):
        with Image.open(path) as picture:
            picture.convert("RGB").save(folder / f"{path.stem}.jpg", quality=PHONE_QUALITY)
    return folder


def about(folder: Path) -> str:
    """The medians of the sizes of its files."""
    import pi_heif
    from PIL import Image

    pi_heif.register_heif_opener()
    files = sorted(path for path in folder.rglob("*.*") if path.is_file())[::MEASURED_EVERY]
    sizes = [Image.open(path).size for path in files]
    width, height = (int(median(side)) for side in zip(*sizes, strict=True))
    kilobytes = median(path.stat().st_size for path in files) / 1e3
    return f"{width}x{height} pixels and {kilobytes:.0f} kB (medians)"


def make_camera(count: int) -> Path:
    """A folder of `count` files of 12 megapixels, no two with the same bytes, created once.

    Raises:
        SetupError: Fashion-MNIST is not available.
    """
    folder = DATA / f"12-megapixel-{count}"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        sources = sorted(make(SMALL, min(count, CAMERA_DISTINCT)).rglob("*.jpg"))
        tasks = [(number, path, part, len(sources), count) for number, path in enumerate(sources)]
        with multiprocessing.get_context("spawn").Pool() as pool:
            pool.starmap(_enlarge, tasks, chunksize=2)
        part.rename(folder)
    return folder


def _enlarge(number: int, source: Path, root: Path, step: int, count: int) -> None:
    """Write one photograph as often as its number occurs below `count`.

    Classes are of equal size, and their names mean nothing: only memory is measured.
    """
    from PIL import Image

    stream, folder = io.BytesIO(), root / f"class-{number % 10}"
    with Image.open(source) as small:
        large = small.convert("RGB").resize(CAMERA_PIXELS, Image.Resampling.BICUBIC)
        large.save(stream, "JPEG", quality=CAMERA_QUALITY)
    folder.mkdir(parents=True, exist_ok=True)
    for copy in range(number, count, step):
        (folder / f"{copy:06}.jpg").write_bytes(stream.getvalue() + copy.to_bytes(4, "big"))


def _write(kind: Kind, image: object, number: int, path: Path) -> None:
    from benchmarks.workloads.synthetic_photos import photograph

    path.write_bytes(photograph(image, number, kind.size))  # type: ignore[arg-type]


def network(
    environment: Mapping[str, str], photos: Path | None = None, serve: Serve = "auto"
) -> Network:
    """The version, trained by the product's own command if it is missing: on these photos, or on
    synthetic ones."""
    model = f"{MODEL}-{photos.resolve().parent.name}" if photos else MODEL
    model += "" if serve == "auto" else f"-{serve}"
    if not Registry(STORE).versions(model):
        train(photos or make(SMALL, TRAINING, 0), model, environment, serve)
    version = Registry(STORE).versions(model)[-1]
    return Network(NETWORK, f"{model}@{version}", STORE / model / str(version))


def train(folder: Path, name: str, environment: Mapping[str, str], serve: Serve = "auto") -> None:
    """Train on the photographs of a folder, and publish the version under this name."""
    command = [sys.executable, "-m", "producer.cli", "train", "--data", str(folder)]
    options = ["--name", name, "--recipe", RECIPE, "--serve", serve, "--quiet"]
    subprocess.run([*command, *options], check=True, env=environment, stdout=sys.stderr)
