"""A learner: from data to a fitted model, exported files, and a measured version.

The same steps for every recipe; `worker/train/NAME.py` does those of the recipes whose `learner`
is NAME. Importing this module imports no TensorFlow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from shared import installation
from shared.labels.label_line import LabelLine
from shared.messages.model_card import Card, Metrics, Preprocessing
from shared.messages.replies import DataReport
from shared.messages.requests import EndedEpoch, Progress
from shared.messages.training import Train
from shared.recipes import Recipe
from shared.throughput import left_s
from worker.datasets.corrected_walk import LabelledData

if TYPE_CHECKING:
    from worker.evaluation.metrics import Epoch
    from worker.graphs.served import Served
    from worker.train.epoch import Step

LOADING, TRAINING, EXPORTING, EVALUATING = "loading", "training", "exporting", "evaluating"
#: The epochs that a report of progress names: a producer reads a few reports a second, in which
#: a small data set has many epochs.
ENDED_REPORTED = 50
Fitted = TypeVar("Fitted")


def blank_card(
    name: str,
    recipe: str,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
    dataset: str,
    **known: Any,
) -> Card:
    """The card of a version before anything is measured, with the fields that are known."""
    unknown: dict[str, Any] = {
        "temperature": 1.0,
        "metrics": Metrics(0.0, 0, 0.0, 0.0),
        "seed": 0,
        "epochs": 0,
        "parameters": 0,
        "dataset_fingerprint": "",
    }
    return Card(
        name=name,
        version=0,
        labels=labels,
        preprocessing=preprocessing,
        recipe=recipe,
        dataset=dataset,
        code_version=installation.version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={},
        **(unknown | known),
    )


class Observer:
    """Reports the progress of a training; each report may raise to stop it."""

    def __init__(self, report: Callable[[Progress], None] = lambda progress: None) -> None:
        self._report, self._stage = report, LOADING
        self._images = self._epochs = self._steps = 0
        self._heldout_accuracy: float | None = None
        self._ended: tuple[EndedEpoch, ...] = ()

    def steps(self, done: int, total: int) -> None:
        """The steps of a stage: files that are read, folds of a head that are answered."""
        self._send(step=done, steps=total)

    def part(self, name: str, done: int = 0, total: int = 0) -> None:
        """A part of the stage, with its own steps, or without any."""
        self._send(part=name, step=done, steps=total)

    def stage(self, name: str) -> None:
        """The start of a stage."""
        self._stage = name
        self._send()

    def planned(self, images: int, epochs: int) -> None:
        """The images that the network learns from, and its epochs."""
        self._images, self._epochs = images, epochs

    def step(self, step: Step) -> None:
        """A step within an epoch."""
        self._steps = step.steps
        epochs_left = step.epochs - step.epoch + 1 - step.step / step.steps
        self._send(
            epoch=step.epoch,
            epochs=step.epochs,
            step=step.step,
            steps=step.steps,
            rate=step.rate,
            loss=step.loss,
            accuracy=step.accuracy,
            left_s=left_s(epochs_left * self._images, 0, step.rate),
        )

    def epoch(self, epoch: Epoch) -> None:
        """The end of an epoch."""
        self._heldout_accuracy = epoch.heldout_accuracy
        ended = EndedEpoch(epoch.number, epoch.loss, epoch.accuracy, epoch.heldout_accuracy)
        self._ended = (*self._ended, ended)[-ENDED_REPORTED:]
        self._send(
            epoch=epoch.number,
            epochs=self._epochs,
            step=self._steps,
            steps=self._steps,
            loss=epoch.loss,
            accuracy=epoch.accuracy,
        )

    def _send(self, **figures: Any) -> None:
        """Of the stage, with the figures of the epochs that have ended."""
        heldout = self._heldout_accuracy
        self._report(Progress(self._stage, heldout_accuracy=heldout, ended=self._ended, **figures))


class Task(NamedTuple):
    """A training: its request, its data, and where it may write."""

    work: Train
    recipe: Recipe
    state: Path | None = None  #: a checkpoint; files beside it let a later attempt resume
    store: Path = Path()  #: features of photos are stored there
    request: str = ""  #: for the card
    corrections: Sequence[LabelLine] = ()
    observer: Observer = Observer()

    @property
    def data(self) -> LabelledData:
        """What is learned from."""
        return LabelledData(self.work.data, self.corrections, self.work.labelled_only)

    @property
    def folder(self) -> Path:
        """The folder of the state and of decoded images."""
        return self.state.parent if self.state else Path()


class BuiltVersion(NamedTuple):
    """A version without a number: a card without `files`, and the files by name."""

    card: Card
    files: dict[str, bytes]


class Learner(ABC, Generic[Fitted]):
    """Makes a version from the data of a task, which it has loaded."""

    def __init__(self, task: Task, report: DataReport, images: int) -> None:
        self.task = task
        self.report = report  #: of the data
        self.images = images  #: to learn from

    @abstractmethod
    def fit(self) -> Fitted:
        """Train."""

    @abstractmethod
    def export(self, fitted: Fitted) -> Served:
        """The files that runtimes load, on which they agree."""

    @abstractmethod
    def measure(self, fitted: Fitted, served: Served) -> BuiltVersion:
        """The version with its figures, plots and records."""

    def places(self) -> Mapping[str, bytes]:
        """The paths of labelled images, by the SHA-256 of their files; none by default."""
        return {}

    def build(self) -> BuiltVersion:
        """Train, export, measure.

        Raises:
            SetupError: the data do not suit the recipe, or the exported files do not agree.
            OtherTraining: the state is that of another training.
        """
        stage = self.task.observer.stage
        stage(TRAINING)
        fitted = self.fit()
        stage(EXPORTING)
        served = self.export(fitted)
        stage(EVALUATING)
        made = self.measure(fitted, served)
        work = self.task.work
        # The folders of images that were labelled one by one are no classes to measure by.
        source = "" if work.labelled_only else work.data
        card = msgspec.structs.replace(made.card, request=self.task.request, source=source)
        return made._replace(card=card)


def load(task: Task) -> Learner[Any]:
    """The learner of the task's recipe, with the task's data.

    Raises:
        SetupError: the data are not available or not usable.
    """
    module = import_module(f"worker.train.{task.recipe.learner}")
    learner: Learner[Any] = module.load(task)
    return learner
