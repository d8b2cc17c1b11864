"""Measures one training in a separate process, and stores the result for later runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import msgspec

from benchmarks.environment import machine
from benchmarks.environment.paths import environment
from benchmarks.measure import peak_memory
from benchmarks.measure.command import Failed, wait
from producer.machine.machine_resources import cores
from shared.errors import MISFITS
from shared.messages.model_card import decode_card
from shared.recipes import Recipe
from tests.steps import inputs
from tests.steps.step import Step

RECORD = "trained.json"
#: A longer training hangs.
LIMIT_S = 8 * 3600.0
_STANDARD_ERROR = 2
#: Packages that affect the minutes and the last digits, beside the recipe.
PACKAGES = ("numpy", "keras", "tensorflow", "ai-edge-litert")

#: What Hangtag itself adds to that.
CODE = ("worker",)


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """One training. Accuracies and errors, 0 to 1, are those of the exported file."""

    recipe: str
    seed: int
    test_accuracy: float
    test_ece: float
    wall_s: float  #: of the whole process: imports, data, training, export, evaluation
    peak_bytes: int  #: of its resident memory
    load: float  #: of the machine before the first training; above IDLE_LOAD others ran


def train(
    recipe: Recipe, seed: int, folder: Path, *, again: bool = False, load: float = 0.0
) -> Trained:
    """Train and measure, unless `folder` has a result for this recipe and machine.

    An interrupted training starts again, so that its minutes are complete. `load` is the machine's.

    Raises:
        Failed: the training ended with an error, which is on standard error.
    """
    place = folder / key(recipe, seed)
    known = None if again else recall(place)
    if known is not None:
        return known
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    found = _measure(recipe, seed, place, load)
    (place / RECORD).write_bytes(msgspec.json.encode(found))
    return found


def key(recipe: Recipe, seed: int) -> str:
    """The name of a training's folder, unique for recipe, seed, machine, versions and code."""
    versions = [machine.version(package) for package in PACKAGES]
    code = inputs.digest(Step("training", "", CODE))
    about = msgspec.json.encode((recipe, machine.cpu_model(), cores(), versions, code))
    return f"{recipe.name}-{recipe.epochs}-seed-{seed}-{hashlib.sha256(about).hexdigest()[:8]}"


def recall(place: Path) -> Trained | None:
    """The stored result; None without a complete one."""
    try:
        return msgspec.json.decode((place / RECORD).read_bytes(), type=Trained)
    except (FileNotFoundError, *MISFITS):
        return None


def _measure(recipe: Recipe, seed: int, place: Path, load: float) -> Trained:
    peak = place / "peak-bytes"
    command = peak_memory.command(
        peak, "benchmarks.shipped_model", "--recipe", recipe.name, "--seed", str(seed),
        "--epochs", str(recipe.epochs), "--teachers", "0", "--out", str(place),
    )  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=_STANDARD_ERROR,
        env=environment(place),
        cwd=place,
    )
    try:
        status, _ = wait(process, LIMIT_S)
    finally:
        process.kill()  # it still runs only after Ctrl-C
        process.wait()
    wall_s = time.monotonic() - started
    if status != 0:
        raise Failed(f"{' '.join(command)}: exit code {status}")
    metrics = decode_card((place / "card.json").read_bytes()).metrics
    return Trained(
        recipe=recipe.name,
        seed=seed,
        test_accuracy=metrics.test_accuracy or 0.0,
        test_ece=metrics.test_ece or 0.0,
        wall_s=wall_s,
        peak_bytes=int(peak.read_text()),
        load=load,
    )
