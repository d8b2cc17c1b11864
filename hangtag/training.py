"""Trainings: `train` requests one, which is followed, left or cancelled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hangtag.arguments import checked_types
from hangtag.reporter import RequestProgress, log_notice, request_reporter
from hangtag.running import run
from producer.present.events import Event, Events, Notice
from producer.trainer import existing
from producer.trainer.existing import RequestNow, follow, state_now
from producer.trainer.request_display import Changes
from producer.trainer.submit import Viewed, submit
from producer.trainer.train import make_training
from shared.errors import UsageError
from shared.labels import labels_file
from shared.messages.replies import Trained
from shared.messages.requests import Outcome
from shared.messages.training import Rule, Serve, Train
from shared.options import checked
from shared.settings import Settings
from shared.stop import Stop

_PathLike = str | os.PathLike[str]


class Request:
    """A training, by its id. It runs whether it is followed or not, and after this process ends:
    `hangtag.Request(id)` is the same one again."""

    @checked_types
    def __init__(self, id: str) -> None:
        self.id = id
        self._settings, self._changes = Settings.from_env(), Changes()
        self._log = list[str]()

    @checked_types
    def wait(
        self,
        timeout_s: float | None = None,
        *,
        progress: RequestProgress | None = None,
        stop: Stop | None = None,
    ) -> Trained:
        """Follow the training to its end. KeyboardInterrupt ends the wait, not the training.

        Args:
            timeout_s: Stop waiting after these seconds.
            progress: Called with each state of the work; None: the progress of the command
                in a notebook, elsewhere nothing; False: nothing.
            stop: Its `request()`, from any thread, ends the wait, not the training.

        Returns:
            The version, its figures (fractions 0 to 1), and the decision on its promotion.

        Raises:
            UsageError: there is no such request, or the data cannot be learned from.
            SetupError: it failed; the sentence says why.
            hangtag.HangtagError: it was cancelled, or is in progress after `timeout_s` or a stop.
        """
        report = request_reporter(progress)

        def note(event: Event) -> None:
            report(event)
            if isinstance(event, Viewed):
                self._log += self._changes.of(event.view)

        def work(events: Events, stop: Stop) -> Outcome:
            followed = follow(
                self._settings, self.id, timeout_s=timeout_s, events=events, stop=stop
            )
            return followed[1]

        outcome = run(work, note, stop or Stop(), f"hangtag {self.id}")
        return outcome.decode(Trained)

    def state(self) -> RequestNow:
        """The state now: waiting, running, done, failed, cancelled or paused (its stack is down);
        with the progress of one that runs, and the sentence of one that failed.

        Raises:
            UsageError: there is no such request.
            BrokerAway: a broker is configured, and it is unreachable.
        """
        return state_now(self._settings, self.id)

    @property
    def status(self) -> str:
        """`state().state`."""
        return str(self.state().state)

    @property
    def log(self) -> list[str]:
        """A line for each stage and each epoch that `wait` has seen."""
        return [*self._log]

    def cancel(self) -> None:
        """Cancel the training, so that no trainer works on it any more.

        Raises:
            UsageError: there is no such request, or it has finished.
            BrokerAway: the broker is unreachable.
        """
        existing.cancel(self._settings, self.id)

    def __repr__(self) -> str:
        return f"<hangtag.Request: {self.id}>"


@checked_types
def train(
    data: _PathLike | None = None,
    *,
    name: str | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    promote: Rule | None = None,
    weighted: bool = False,
    max_unreadable: float | None = None,
    precision: Literal["auto", "fp32", "int8"] | None = None,
    serve: Serve | None = None,
    backbone: str | None = None,
    corrections: Sequence[_PathLike] = (),
    without_corrections: bool = False,
    labels: _PathLike | bool = False,
    request_id: str = "",
    stop: Stop | None = None,
) -> Request:
    """Request a training, as `hangtag train --detach` does. The data are checked before.

    Args:
        data: A folder with a subfolder for each class, or `"fashion-mnist"`. None: that, for a
            `recipe` that is named.
        name: The model; None: the folder's name.
        recipe: How it learns (docs/training.md); None: a head for a folder of photos.
        epochs: None: set by the recipe.
        seed: A random seed; None: 1.
        promote: When `NAME@production` is the new version: `"if-better"` (None),
            `"if-clearly-better"`, `"always"`, `"never"`.
        weighted: Weight classes equally, regardless of their size.
        max_unreadable: The share of files that may not be readable, 0 to 1; None: 0.05.
        precision: What workers load of a whole network; None: int8 unless it is measurably worse.
        serve: Of photos: `"fast"` has no second look where the first is unsure; None: `"auto"`.
        backbone: Of photos: the network whose features the head learns from, alone (`hangtag
            backbones`); None: both that ship.
        corrections: Tables whose images people gave labels to, with `hangtag review`.
        without_corrections: Leave out those that earlier versions learned from.
        labels: The labels file of `hangtag label`; True: that of the folder, in the current one.
            The training learns from the images in it, and from no others.
        request_id: The same id is the same request, even if it failed; empty: a new one.
        stop: Ends the check of the data from another thread.

    Raises:
        UsageError: an argument is wrong, or does not apply to the recipe.
        SetupError: the data cannot be learned from, or the stack does not start.
        BrokerAway: Redis is unreachable.
        KeyboardInterrupt: Ctrl-C; nothing was requested, or `Request(request_id)` continues.
    """
    options = checked(Train, locals() | {"data": None if data is None else os.fspath(data)})
    settings = Settings.from_env()
    if data is None and recipe is None:
        raise UsageError('name a folder with a subfolder for each class, or data="fashion-mnist"')
    tables = [Path(table) for table in corrections]
    file = None if labels is False else _labels_file(labels)

    def work(events: Events, stop: Stop) -> str:
        request, input = make_training(
            options, settings, tables, request_id, labels=file, events=events, stop=stop
        )
        submit(settings, request, input=input, wait=False, events=events, stop=stop)
        return request.id

    return Request(run(work, _log, stop or Stop(), "hangtag train"))


def _labels_file(labels: _PathLike | bool) -> Path:
    return labels_file.DEFAULT if isinstance(labels, bool) else Path(labels)


def _log(event: Event) -> None:
    if isinstance(event, Notice):
        log_notice(event.text)
