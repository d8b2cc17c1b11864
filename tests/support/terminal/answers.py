"""Ten common answers, each displayed by the product's own function from fixed figures, so that they
are the same on every machine and at every time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import click
import msgspec

from producer.cli.jobs.job_summary import show_job_summary
from producer.cli.main import hangtag
from producer.fleet import workers
from producer.jobs.classify import Summary
from producer.jobs.status_table import status_table
from producer.journal.job_properties import AttemptResult
from producer.journal.snapshot import JobState, JobView
from producer.journal.totals import AnswerCounts, Failures
from producer.models import evaluate, list_versions, show
from producer.predict import prediction_text
from producer.predict.predictions import Prediction, Predictions
from producer.present.meter import bar_line
from producer.present.style import columns_of
from producer.requests import request_meter
from producer.summary.training_text import training_lines
from shared.image_status import Status
from shared.ledger.heartbeats import Heartbeat
from shared.messages.model_card import Metrics
from shared.messages.replies import DataReport, Decided, Evaluated, Evaluation, Trained
from shared.messages.requests import Progress
from shared.registry import packaged

NOW_S = 1_800_000_000.0
NOW_MS = 1_800_000_000_000
MADE = "2027-01-13T08:00:00+00:00"
CARD = packaged.card()
LABELS = ("boot", "coat", "hat")
ANSWERS = AnswerCounts(
    {"Bag": 1_204, "Ankle boot": 830, "T-shirt/top": 411, "Coat": 52, "Shirt": 3},
    {"Bag": 40, "Ankle boot": 18, "T-shirt/top": 190, "Coat": 52},
    0.98,
    {
        "unreadable": Failures(3, "photos/2019/IMG_07.jpg"),
        "too_large": Failures(1, "photos/x.tif"),
    },
    2_500,
    2_388,
)
SUMMARY = Summary(
    "k3fa2b1c", "/home/ann/photos.csv", "fashion-mnist@0", 2_504, 2_504, 4, 2_504,
    {"hidden": 2}, 3.2, 3, {"unlike_training": 12}, answers=ANSWERS,
)  # fmt: skip
EVALUATION = Evaluation(64, 0.75, 0.5, 0.02, LABELS, ((40, 0, 0), (6, 8, 4), (1, 1, 4)))
DATA = DataReport("photos", (96, 96, 3), LABELS, (300, 120, 40), (40, 18, 6), (0, 0, 0))


class Answer(NamedTuple):
    """A command as typed, and what displays its answer."""

    command: str
    show: Callable[[], None]


def _echo(lines: Sequence[str] | Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


def _run(*arguments: str) -> None:
    hangtag.main(list(arguments), standalone_mode=False, prog_name="hangtag")


def _status() -> None:
    job = JobView("k3fa2b1c", JobState.FINISHED, 2_504, 2_504, 4, CARD.ref, "/home/ann/photos.csv")
    running = JobView(
        "w8ypq0de", JobState.RUNNING, 81_920, 73_728, 0, "garments@3",
        "/home/ann/a/long/way/down/to/the/holiday-pictures.csv", rate=2_456.0, left_s=3_775.0,
        file_count=9_345_000, attempt=AttemptResult(), flagged={"unlike_training": 12},
    )  # fmt: skip
    paused = JobView("0c7vmh3e", JobState.PAUSED, 4_096, 2_048, 0, CARD.ref, "/data/old.csv")
    ages = (job, 5 * 60), (running, 34), (paused, 3 * 86_400)
    views = [msgspec.structs.replace(view, created=NOW_S - age_s) for view, age_s in ages]
    _echo(status_table(views, NOW_S))


def _predict() -> None:
    best = {"Sneaker": 0.71, "Ankle boot": 0.22, "Sandal": 0.07}
    bad = Status.UNREADABLE
    found = Predictions(
        CARD.ref,
        CARD.labels,
        [
            Prediction("shoe.jpg", "Sneaker", 0.71, Status.OK, "", "", best, "Sneaker", True),
            Prediction("b.png", "Bag", 0.9998, Status.OK, "", "", {"Bag": 0.9998}, "Bag"),
            Prediction("notes.jpg", "", None, bad, bad.sentence, "", {}),
        ],
    )
    _echo(prediction_text.lines(found, 3, "utf-8"))
    _echo(prediction_text.summary(found, "utf-8"))


def _train() -> None:
    metrics = Metrics(0.75, 64, 0.5, 0.02)
    why = "it has 75.00% on the 64 held-out images, production (garments@1) 70.31%"
    decided = Decided("production", 2, 1, True, why)
    trained = Trained("garments@2", metrics, decided, 75.0, DATA)
    _echo(training_lines(trained, {"heldout": EVALUATION}, (), columns_of(sys.stdout)))


def _workers() -> None:
    beat = Heartbeat(
        "a:1:2", "render-node-17.example.org", 41_233, "hangtag:classify", ["1:2", "2:3"],
        [CARD.ref, "garments@3"], 1_204_331, 5_120.4, 231_000_000, NOW_MS, NOW_MS - 7_200_000,
        {"missing": 2, "unreadable": 10},
    )  # fmt: skip
    _echo(workers.table([beat], NOW_S))


def _models() -> None:
    row = list_versions.VersionRow(
        CARD.ref, ("production",), 0.952, "test", 0.954, 5_000, 0.952, 10_000, 0.0057, 440_218,
        473_856, MADE, "accurate", "Fashion-MNIST",
    )  # fmt: skip
    own = msgspec.structs.replace(
        row, model="garments@2", aliases=("canary", "production"), heldout_accuracy=0.75,
        heldout_count=64, test_accuracy=None, recipe="photo", dataset="photos",
    )  # fmt: skip
    _echo(list_versions.table([row, own], NOW_S))


def _show() -> None:
    details = show.VersionDetails(
        msgspec.structs.replace(CARD, created=MADE),
        {"model.tflite": 473_856},
        ("production",),
        (),
    )
    _echo(show.lines(details))


ANSWERS_SHOWN = (
    Answer("hangtag classify photos/", lambda: show_job_summary(SUMMARY)),
    Answer("hangtag predict shoe.jpg b.png notes.jpg --top 3", _predict),
    Answer("hangtag status", _status),
    Answer("hangtag workers", _workers),
    Answer("hangtag models list", _models),
    Answer("hangtag models show fashion-mnist", _show),
    Answer("hangtag train photos/ --name garments", _train),
    Answer(
        "hangtag models evaluate garments",
        lambda: _echo(
            evaluate.lines(
                Evaluated("garments@2", DATA, EVALUATION, "heldout"), columns_of(sys.stdout)
            )
        ),
    ),
    Answer("hangtag models show fasion-mnist", lambda: _run("models", "show", "fasion-mnist")),
    Answer("hangtag clasify photos/", lambda: _run("clasify", "photos/")),
    Answer(
        "(while classify runs)",
        lambda: click.echo(
            bar_line(
                0.41,
                ["4,096 of 10,000 done", "3 failed", "2,456 images/s", "3 s left"],
                columns_of(sys.stdout) or 80,
                True,
            )
        ),
    ),
    Answer(
        "(while train runs)",
        lambda: _echo(
            request_meter.figures(
                Progress("training", 3, 14, 410, 860, 12_345.0, 0.237, 0.913, 0.889, 80.0), 2.0
            ).live(columns_of(sys.stdout) or 80, True)
        ),
    ),
)
