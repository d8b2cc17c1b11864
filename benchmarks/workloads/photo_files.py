"""Synthetic photographs as JPEG files in class folders, and a version that was trained on some."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.environment.paths import DATA, STORE
from benchmarks.workloads.networks import Network
from shared.registry.registry import Registry

MODEL = "photos"
#: The name in the benchmark's tables.
NETWORK = "photo"
RECIPE = "photo-head"


class Kind(NamedTuple):
    """Photographs of one size."""

    name: str
    size: tuple[int, int]  #: width, height in pixels


#: As photographs in mails and on web pages, 17 kB; and as a camera makes them.
SMALL = Kind("400x534", (400, 534))
CAMERA = Kind("12-megapixel", (4000, 3000))
#: Photographs to train on: enough for a head, whose accuracy does not matter here.
TRAINING = 300
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


def _write(kind: Kind, image: object, number: int, path: Path) -> None:
    from benchmarks.workloads.synthetic_photos import photograph

    path.write_bytes(photograph(image, number, kind.size))  # type: ignore[arg-type]


def network(environment: Mapping[str, str]) -> Network:
    """The version, trained by the product's own command if it is missing."""
    registry = Registry(STORE)
    if not registry.versions(MODEL):
        folder = make(SMALL, TRAINING, 0)
        command = [sys.executable, "-m", "producer.cli", "train", "--data", str(folder)]
        options = ["--name", MODEL, "--recipe", RECIPE, "--quiet"]
        subprocess.run([*command, *options], check=True, env=environment, stdout=sys.stderr)
    version = registry.versions(MODEL)[-1]
    return Network(NETWORK, f"{MODEL}@{version}", STORE / MODEL / str(version))
