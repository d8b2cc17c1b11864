"""The epochs of a training: their schedule, one epoch, and the checkpoint after it.

Order and augmentation depend only on the seed and the number of the epoch: a training seeds a
generator for each batch, so a resumed training sees the same images.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from shared import atomic_file
from shared.errors import MISFITS, SetupError
from shared.failpoints import failpoint
from shared.recipes import Recipe
from worker.datasets.decode_files import prefetched
from worker.datasets.examples import Examples, Images
from worker.evaluation.metrics import Epoch
from worker.runtimes.array_archive import arrays

Numbers = npt.NDArray[np.int64]  #: [n], of images in their data set

#: An erased rectangle: its share of the image, and its aspect ratio (up to a factor of 3).
ERASED_AREA = (0.02, 0.25)
ERASED_RATIO_LOG = np.log(3.0)
#: A set of fewer batches than this gets smaller ones, down to a smallest size.
BATCHES_WANTED = 8
SMALLEST_BATCH = 8
#: The weights are averaged over at most a twentieth of all steps: at the start they are noise.
AVERAGED_SHARE = 1 / 20
#: Minimum interval between two calls of `on_step`.
STEP_INTERVAL_S = 0.25
#: Batches are prepared in parallel with the network, which uses all cores where there is no GPU.
BATCH_THREADS = max(1, min(4, len(os.sched_getaffinity(0)) // 4))

#: Images, labels, learning rate in; float64 [2] out: the sum of losses, the number of right labels.
StepFunction = Callable[[Any, Any, Any], Any]


def augmented(
    images: Images, numbers: Numbers, recipe: Recipe, epoch: int, rng: np.random.Generator
) -> Images:
    """Images uint8 [n, H, W, C] with numbers int64 [n], augmented for epoch 0, 1, ..."""
    if recipe.flip:
        # Both views occur equally often, which is better than a coin flip for each epoch:
        # https://github.com/KellerJordan/cifar10-airbench
        mirror = (numbers + epoch) % 2 == 0
        images = np.where(mirror[:, None, None, None], images[:, :, ::-1], images)
    if recipe.shift_pixels:
        images = _moved(images, recipe.shift_pixels, rng)
    if recipe.erase:
        images = _erased(images, recipe.erase, rng)
    return images


def _moved(images: Images, pixels: int, rng: np.random.Generator) -> Images:
    """Shifts by -pixels to pixels in both directions; fills with 0."""
    count, height, width, _ = images.shape
    border = (pixels, pixels)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    moved = np.empty_like(images)
    for index, (y, x) in enumerate(rng.integers(0, 2 * pixels + 1, (count, 2)).tolist()):
        moved[index] = padded[index, y : y + height, x : x + width]
    return moved


def _erased(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Fills a rectangle with noise in about `share` of the images (arXiv:1708.04896)."""
    count, height, width, channels = images.shape
    chosen = np.flatnonzero(rng.random(count) < share)
    area = rng.uniform(*ERASED_AREA, len(chosen)) * height * width
    ratio = np.exp(rng.uniform(-ERASED_RATIO_LOG, ERASED_RATIO_LOG, len(chosen)))
    tall = np.clip(np.sqrt(area * ratio).astype(np.int64), 1, height)
    wide = np.clip(np.sqrt(area / ratio).astype(np.int64), 1, width)
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    erased = images.copy()
    for number, y, x, rows, columns in zip(chosen, top, left, tall, wide, strict=True):
        noise = rng.integers(0, 256, (rows, columns, channels), np.uint8)
        erased[number, y : y + rows, x : x + columns] = noise
    return erased


class Schedule(NamedTuple):
    """A recipe's schedule for a set of a given size."""

    images: int  #: of one epoch
    epochs: int
    steps: int  #: of one epoch; their batches differ by one image at most
    peak_rate: float
    average: float  #: momentum of the moving average of the weights


def batch_size(recipe: Recipe, count: int) -> int:
    """The largest batch of a training on `count` images."""
    if not recipe.least_steps:
        return recipe.batch
    return min(recipe.batch, max(SMALLEST_BATCH, count // BATCHES_WANTED))


def plan(recipe: Recipe, count: int) -> Schedule:
    """The plan for `count` >= 1 images. Only a recipe with `least_steps` adapts to the count."""
    batch, epochs, average = batch_size(recipe, count), recipe.epochs, recipe.average
    if recipe.least_steps:
        epochs = max(epochs, math.ceil(recipe.least_steps / math.ceil(count / batch)))
    steps = math.ceil(count / batch)
    if average:
        average = max(0.0, min(average, 1 - 1 / (AVERAGED_SHARE * steps * epochs)))
    # With Adam the rate scales with the square root of the batch size: arXiv:2205.10287.
    peak = recipe.peak_rate * math.sqrt(batch / recipe.batch)
    return Schedule(count, epochs, steps, peak, average)


def rate(recipe: Recipe, plan: Schedule, done: float) -> float:
    """The learning rate after the share `done` (0 to 1) of all steps."""
    if done < recipe.warmup_share:
        return plan.peak_rate * done / recipe.warmup_share
    if not recipe.one_cycle:
        return plan.peak_rate
    return plan.peak_rate * (1 - done) / (1 - recipe.warmup_share)


class Step(msgspec.Struct, frozen=True):
    """The progress of a training within an epoch."""

    epoch: int  #: in progress, 1 is the first
    epochs: int
    step: int  #: the last one completed, 1 is the first
    steps: int  #: of one epoch
    loss: float  #: nats per image, of this epoch so far
    accuracy: float  #: likewise
    rate: float  #: images per second since the first step of the epoch, which has 0


def train_epoch(
    step: StepFunction,
    examples: Examples,
    recipe: Recipe,
    plan: Schedule,
    seed: int,
    epoch: int,
    on_step: Callable[[Step], None],
) -> tuple[float, float]:
    """Train epoch 0, 1, ...; the mean loss and accuracy over its images.

    Raises:
        SetupError: the loss is not finite.
    """
    parts = np.array_split(_order(plan, seed, epoch), plan.steps)
    sums = np.zeros(2)
    seen = before = 0
    reported = paced = time.perf_counter()
    for number, (images, labels) in enumerate(_batches(examples, recipe, parts, seed, epoch)):
        done = (epoch + (seen + len(labels) / 2) / plan.images) / plan.epochs
        sums += step(images, labels, np.float32(rate(recipe, plan, done))).numpy()
        _check(float(sums[0]), epoch)
        seen += len(labels)
        now = time.perf_counter()
        if number == 0:  # TensorFlow compiled in it: no pace of the others
            before, paced = seen, now
        if now - reported >= STEP_INTERVAL_S:
            reported = now
            loss, accuracy = (sums / seen).tolist()
            pace = (seen - before) / (now - paced) if seen > before else 0.0
            on_step(Step(epoch + 1, plan.epochs, number + 1, plan.steps, loss, accuracy, pace))
    loss, accuracy = (sums / plan.images).tolist()
    return loss, accuracy


def _order(plan: Schedule, seed: int, epoch: int) -> Numbers:
    order: Numbers = np.random.default_rng([seed, epoch, 1]).permutation(plan.images)
    return order


def _batches(
    examples: Examples,
    recipe: Recipe,
    parts: Sequence[Numbers],
    seed: int,
    epoch: int,
) -> Iterator[Examples]:
    def batch(part: tuple[int, Numbers]) -> Examples:
        number, numbers = part
        rng = np.random.default_rng([seed, epoch, 2, number])
        images = augmented(examples.images[numbers], numbers, recipe, epoch, rng)
        return Examples(images, examples.labels[numbers])

    return prefetched(batch, enumerate(parts), BATCH_THREADS)


def _check(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise SetupError(
            f"the loss is not finite in epoch {epoch + 1}; train again with another --seed, or "
            "with another --recipe"
        )


class OtherTraining(SetupError):
    """The state of another training or of another version of Hangtag, or a damaged one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to another training or is damaged; delete it or name another file"
        )
        self.path = path


class Checkpoint:
    """The state of a training: one file, replaced atomically after each epoch. Without a file
    nothing is stored."""

    def __init__(self, file: Path | None, key: str, variables: Sequence[Any]) -> None:
        """Set `variables` to the values stored under this key, which identifies the training.

        Raises:
            OtherTraining: the file holds no state of this training; `variables` are unchanged.
        """
        self._file, self._key, self._variables = file, key, variables
        self.history: list[Epoch] = self._restored(file) if file and file.exists() else []

    def add(self, epoch: Epoch) -> None:
        """Store the end of an epoch."""
        self.history.append(epoch)
        if not self._file:
            return
        values = {str(number): each.numpy() for number, each in enumerate(self._variables)}
        about = np.frombuffer(msgspec.json.encode([self._key, self.history]), np.uint8)
        part = self._file.with_suffix(".part")
        with atomic_file.created(part) as file:
            np.savez(file, allow_pickle=False, about=about, **values)
        failpoint("checkpoint.written")
        atomic_file.rename_durably(part, self._file)
        failpoint("checkpoint.placed")

    def _restored(self, file: Path) -> list[Epoch]:
        try:
            with arrays(file.read_bytes()) as stored:
                about = stored["about"].tobytes()
                key, history = msgspec.json.decode(about, type=tuple[str, list[Epoch]])
                values = [stored[str(number)] for number in range(len(self._variables))]
        except (ValueError, *MISFITS) as error:
            raise OtherTraining(file) from error
        shapes = [tuple(variable.shape) for variable in self._variables]
        if key != self._key or [value.shape for value in values] != shapes:
            raise OtherTraining(file)
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        return history
