"""`hangtag dataset show`: a data set in numbers and two plots, made by the trainer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from producer.present.events import Events
from producer.present.style import columns
from producer.table.output_path import write_file
from producer.trainer.check_class_folders import check_class_folders
from producer.trainer.client import make_request
from producer.trainer.show import check_folder
from producer.trainer.submit import answer_file, data_place, submit
from producer.trainer.train import troubles
from shared.messages.replies import DataReport
from shared.messages.requests import ShowData
from shared.messages.training import FASHION_MNIST_TITLE
from shared.settings import Settings
from shared.stop import Stop

#: The plots that come with the reply.
GRID, SINGLE = "grid.png", "image.png"
_HEAD = ("label", "training", "held out", "test")


class DataSetSummary(NamedTuple):
    """The trainer's report, and the files that were written."""

    report: DataReport
    written: list[Path]


def describe(
    settings: Settings,
    data: str,
    index: int | None,
    folder: Path | None,
    *,
    force: bool = False,
    events: Events | None = None,
    stop: Stop | None = None,
) -> DataSetSummary:
    """Request a report on `data` from the trainer, and write its plots to `folder`, if given, which
    is created if missing: that of the image with an `index` alone, or of samples as well.

    Raises:
        UsageError: the folder cannot be used, a file exists already, or there is no image with
            this index.
        SetupError, Stopped: the data are not available; or as `submit`.
    """
    plots = (GRID, SINGLE) if index is None else (SINGLE,)
    place, index = data_place(data, settings), index or 0
    check_class_folders(place, "show", settings, index=index, events=events, stop=stop)
    work = ShowData(place, index)
    if folder is not None:
        check_folder(folder, plots, force)
    request = make_request(work)
    report = submit(settings, request, events=events, stop=stop).decode(DataReport)
    paths = [] if folder is None else [folder / name for name in plots]
    for path in paths:
        write_file(path, answer_file(settings, request.id, path.name, stop))
    return DataSetSummary(report, paths)


def lines(report: DataReport) -> Iterator[str]:
    height, width, channels = report.shape
    kind = "grey" if channels == 1 else "colour"
    yield f"{report.name}: {height} x {width} pixels, {kind}, {len(report.labels)} labels"
    counts = list(zip(report.training, report.heldout, report.test, strict=True))
    rows = [
        (label, *(f"{n:,}" for n in row)) for label, row in zip(report.labels, counts, strict=True)
    ]
    total = ("", *(f"{sum(column):,}" for column in zip(*counts, strict=True)))
    yield from columns(_HEAD, [*rows, total], left={"label"})
    if report.name != FASHION_MNIST_TITLE:
        yield (
            "photo, the default recipe, learns from all that is not in test/; it is judged on each "
            "image by a head that has not seen it"
        )
    yield from troubles(report)
