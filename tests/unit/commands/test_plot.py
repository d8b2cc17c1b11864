"""`hangtag predict --plot` draws every image that a worker accepts, in bounded time and memory."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from PIL import Image

from producer.predict import plot
from producer.predict.predictions import Prediction
from shared.image_status import Status
from shared.pipes import helpers as pipe
from shared.pipes.helpers import ThumbnailOrder
from tests.support.images.decompression_bombs import bombs
from tests.support.images.image_zoo import garment, variants
from worker import prediction_plot
from worker.demo import encoded
from worker.plots import chart
from worker.thumbnails import thumbnail

LABELS = ("Bag", "Coat", "Trouser")
IMAGE = thumbnail(ThumbnailOrder(encoded(garment()), plot.SIDE_PIXELS, plot.MAX_BYTES))
MANY = tuple(f"A label with a long name {i}" for i in range(40))


def predicted(
    path: Path = Path("picture.png"), labels: tuple[str, ...] = LABELS, truth: str = ""
) -> Prediction:
    """A prediction for an image: the last label, with 90 %."""
    rest = {label: 0.1 / (len(labels) - 1) for label in labels[:-1]}
    return Prediction(
        str(path), labels[-1], 0.9, Status.OK, "", "", {labels[-1]: 0.9} | rest, truth
    )


def order_of(found: list[Prediction], labels: tuple[str, ...] = LABELS) -> pipe.PlotOrder:
    """What the producer sends for one image with each of these predictions."""
    return pipe.PlotOrder(labels, tuple(plot._drawn(IMAGE, one, labels) for one in found))


def axes_of(order: pipe.PlotOrder) -> Axes:
    """The axes of the plot, laid out."""
    with matplotlib.rc_context(chart.changed_settings()):
        figure = prediction_plot.plot.__wrapped__(order)  # type: ignore[attr-defined]
        figure.draw(FigureCanvasAgg(figure).get_renderer())
    [axes] = figure.axes
    assert isinstance(axes, Axes)
    return axes


def axes_of_files(found: list[Prediction]) -> Axes:
    """The plot of the images that the predictions name."""
    images = plot._decoded([os.fsencode(one.path) for one in found], found)
    pairs = zip(images, found, strict=True)
    return axes_of(pipe.PlotOrder(LABELS, tuple(plot._drawn(*pair, LABELS) for pair in pairs)))


def bar_colours(axes: Axes) -> list[str]:
    bars = [one for one in axes.get_children() if isinstance(one, Rectangle) and one.get_fill()]
    return [matplotlib.colors.to_hex(one.get_facecolor()) for one in bars if one != axes.patch]


def lines(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("labels", [LABELS, MANY, ("$a$", "\ud800\n", "x" * 300)])
def test_nothing_is_cut_off_and_the_bytes_are_reproducible(labels: tuple[str, ...]) -> None:
    order = order_of([predicted(labels=labels)], labels)
    file = prediction_plot.plot(order)
    image = Image.open(io.BytesIO(file))
    grey = np.asarray(image.convert("L"))
    assert min(edge.min() for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1])) == 255
    assert image.info == {}
    assert prediction_plot.plot(order) == file


def test_every_image_that_a_worker_accepts_is_drawn_upright_as_it_was_classified(
    tmp_path: Path,
) -> None:
    accepted = {name: data for name, (data, status) in bombs().items() if status is Status.OK}
    assert accepted
    for name, data in (variants() | accepted).items():
        (tmp_path / name).write_bytes(data)
    save_turned(tmp_path / "turned.jpg")
    paths = sorted(tmp_path.iterdir())
    images = axes_of_files([predicted(path) for path in paths]).images
    of_name = dict(zip((path.name for path in paths), map(pixels_of, images), strict=True))
    assert of_name["turned.jpg"].shape[:2] == (40, 20)  # height, width
    assert np.abs(of_name["grey16.png"] - of_name["rgb.png"]).max() <= 1


def save_turned(path: Path) -> None:
    """An image that its orientation turns."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (40, 20)).save(path, exif=exif)


def pixels_of(image: AxesImage) -> npt.NDArray[np.float64]:
    return np.asarray(image.get_array(), float)


def test_the_reason_stands_where_there_is_no_image(tmp_path: Path) -> None:
    status = Status.UNSUPPORTED
    failed = Prediction("picture.png", "", None, status, status.sentence, "", {})
    axes = axes_of_files([predicted(tmp_path / "gone.png"), failed])
    texts = [line.replace("\n", " ") for line in lines(axes)]
    assert {Status.MISSING.sentence, status.sentence} < set(texts)
    assert len(bar_colours(axes)) == 3  # of the first alone
