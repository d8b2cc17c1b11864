"""The display of a job: figures and notices."""

from __future__ import annotations

from producer.present.events import (
    Event,
    Found,
    Notice,
    Stage,
    Started,
    Stored,
    Waiting,
    Watching,
)
from producer.present.formatting import counted
from producer.present.meter import Meter, Stages
from producer.present.progress import Quiet


class JobDisplay:
    """Shows the events of one job after the other."""

    KINDS = (Found, Stored, Waiting, Notice, Stage, Started, Watching)

    def __init__(self, progress: Quiet) -> None:
        self._progress, self._meter = progress, Meter()
        self._found = 0
        self._total: int | None = None
        self._stages, self._stage = Stages(progress), ""

    def show(self, event: Event) -> None:
        if isinstance(event, Found):
            self._found, self._total = event.images, event.total
        elif isinstance(event, Stored):
            self._meter.note(event.done, self._total, self._found, event.failed)
            self._progress.show(self._meter.figures)
        elif isinstance(event, Waiting):
            self._meter.awaits(event.text)
        elif isinstance(event, Notice):
            self._progress.notice(event.text)
        elif isinstance(event, Stage):
            self._pass(event)
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Watching):
            self.close()

    def _start(self, event: Started) -> None:
        self.close()
        self._meter = Meter()
        if event.done:
            count = counted(event.done, "result")
            self._progress.notice(f"job {event.job} continues, with {count} of earlier runs")

    def _pass(self, event: Stage) -> None:
        if event.name != self._stage:
            self._stage = event.name
            self._stages.stage(event.name, event.total)
        self._stages.reached(event.rows, event.total)

    def close(self) -> None:
        """End the display of figures."""
        self._progress.close()
        self._stage = ""
