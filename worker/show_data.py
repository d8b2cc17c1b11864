"""The request to describe a data set, with pictures of its samples."""

from __future__ import annotations

from pathlib import Path

from shared.request import FASHION_MNIST, Progress, ShowData
from worker import describe
from worker.context import Answered, Context

LOADING = "loading"


def show(context: Context, work: ShowData) -> Answered:
    """A DataReport, with `grid.png` and `image.png`.

    Raises:
        SetupError: the data are not to be had where the trainer runs, or are no data set.
        UsageError: there is no image with that index.
        Stopped: the request was cancelled, or is somebody else's now.
    """
    context.stage(LOADING)

    def tell(done: int, total: int) -> None:
        context.report(Progress(LOADING, step=done, steps=total))

    if work.data == FASHION_MNIST:
        found = describe.fashion(work.index, context.folder)
    else:
        found = describe.folder(Path(work.data), work.index, context.folder, tell)
    return Answered(found.report, found.files)
