"""Trains a network on the images of a data set, in memory or mapped files."""

from __future__ import annotations

import msgspec
import numpy as np

from shared.messages.replies import DataReport
from worker.datasets import load as datasets
from worker.datasets.examples import Images, content_hashes
from worker.datasets.load import DataSet
from worker.evaluation import heldout_answers
from worker.graphs.convert import CALIBRATION_IMAGES
from worker.graphs.export import export
from worker.graphs.served import Served
from worker.train.assessment import assess
from worker.train.fit import Loss, TrainedNetwork, on_labels, train
from worker.train.learner import BuiltVersion, Learner, Task, blank_card
from worker.train.schedule import plan

HISTORY = "history.json"
NO_REPORT = DataReport("", (0, 0, 0), (), (), (), ())


def load(task: Task) -> Network:
    """The learner for a data set of images of the recipe's size. Raises SetupError."""
    data, report = datasets.load(
        task.data,
        task.recipe.size,
        None,
        task.folder,
        max_unreadable=task.work.max_unreadable,
        on_progress=task.observer.steps,
    )
    return Network(task, data, report)


class Network(Learner[TrainedNetwork]):
    """Trains the network of a recipe."""

    def __init__(
        self,
        task: Task,
        data: DataSet,
        report: DataReport = NO_REPORT,
        loss: Loss = on_labels,
    ) -> None:
        """`loss`: as in `train`."""
        super().__init__(task, report, len(data.examples.labels))
        self._data, self._loss = data, loss

    def fit(self) -> TrainedNetwork:
        task, recipe = self.task, self.task.recipe
        task.observer.planned(self.images, plan(recipe, self.images).epochs)
        return train(
            recipe,
            self._data.examples,
            self._data.heldout,
            len(self._data.labels),
            task.work.seed,
            state=task.state,
            weighted=task.work.weighted,
            loss=self._loss,
            on_epoch=task.observer.epoch,
            on_step=task.observer.step,
        )

    def export(self, fitted: TrainedNetwork) -> Served:
        work, recipe, network = self.task.work, self.task.recipe, fitted.network
        card = blank_card(
            work.name,
            recipe.name,
            self._data.labels,
            self._data.preprocessing,
            self._data.name,
            seed=work.seed,
            parameters=network.count_params(),
            pixel_bounds=self._data.pixel_bounds,
        )
        return export(
            network,
            card,
            self._data.heldout,
            calibration_images(self._data.examples.images),
            requested=work.precision,
            mirror=recipe.mirror,
            on_part=self.task.observer.part,
        )

    def measure(self, fitted: TrainedNetwork, served: Served) -> BuiltVersion:
        learn, held, history = self._data.examples, self._data.heldout, fitted.history
        assessment = assess(
            served.card, served.files, history, held, served.logits, self._data.test
        )
        card = msgspec.structs.replace(
            served.card,
            metrics=assessment.metrics,
            epochs=len(history),
            dataset_fingerprint=learn.fingerprint(),
            notes=f"Trained on {len(learn.labels)} images; {len(held.labels)} were held out.",
        )
        answers = heldout_answers.recorded(held, served.logits, self._data.heldout_files)
        files = served.files | {
            HISTORY: msgspec.json.format(msgspec.json.encode(history), indent=2),
            heldout_answers.FILE: heldout_answers.encode(answers),
        }
        seen = heldout_answers.seen_files(content_hashes(learn.images), answers.images)
        return BuiltVersion(card, files | assessment.files | seen)


def calibration_images(images: Images) -> Images:
    """Some of the training images, the same ones each time, to fit the ranges of int8 values."""
    order = np.random.default_rng(0).permutation(len(images))
    return images[np.sort(order[:CALIBRATION_IMAGES])]
