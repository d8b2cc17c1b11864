"""`hangtag predict --plot` draws every image that a worker accepts, in bounded time and memory."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from producer.predict import plot
from producer.predict.predictions import Prediction
from shared.image_status import Status
from shared.pipes.thumbnail import Order
from tests.support.images.decompression_bombs import bombs
from tests.support.images.image_zoo import garment, variants
from worker.demo.images import encoded
from worker.thumbnails.small_picture import thumbnail

LABELS = ("Bag", "Coat", "Trouser")
IMAGE = thumbnail(Order(encoded(garment()), plot.SIDE_PIXELS, plot.MAX_BYTES))
MANY = tuple(f"A label with a long name {i}" for i in range(40))


def predicted(
    path: Path = Path("picture.png"), labels: tuple[str, ...] = LABELS, truth: str = ""
) -> Prediction:
    """A prediction for an image: the last label, with 90 %."""
    rest = {label: 0.1 / (len(labels) - 1) for label in labels[:-1]}
    return Prediction(
        str(path), labels[-1], 0.9, Status.OK, "", "", {labels[-1]: 0.9} | rest, truth
    )


def drawn(found: Prediction, labels: tuple[str, ...] = LABELS) -> Image.Image:
    return Image.open(io.BytesIO(plot._png([IMAGE], [found], labels)))


def figure_of(found: list[Prediction], labels: tuple[str, ...] = LABELS) -> Figure:
    """The plot of one image with each of these predictions."""
    return laid_out(plot._figure([IMAGE] * len(found), found, labels))


def figure_of_files(found: list[Prediction]) -> Figure:
    """The plot of the images that the predictions name."""
    images = plot._decoded([os.fsencode(one.path) for one in found], found)
    return laid_out(plot._figure(images, found, LABELS))


def laid_out(figure: Figure) -> Figure:
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    return figure


def bar_colours(figure: Figure) -> list[str]:
    return [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in figure.axes[1].patches]


def in_hex(*names: str) -> list[str]:
    return [matplotlib.colors.to_hex(name) for name in names]


@pytest.mark.parametrize(
    ("truth", "expected", "caption"),
    [
        ("", [plot.OTHER, plot.OTHER, plot.UNJUDGED], "Trouser 90%"),
        ("Trouser", [plot.OTHER, plot.OTHER, plot.RIGHT], "Trouser 90%\n(Trouser)"),
        ("Coat", [plot.OTHER, plot.RIGHT, plot.WRONG], "Trouser 90%\n(Coat)"),
    ],
)
def test_caption_and_bars_are_those_of_the_tutorial(
    truth: str, expected: list[str], caption: str
) -> None:
    figure = figure_of([predicted(truth=truth)])
    assert figure.axes[0].get_xlabel() == caption
    assert bar_colours(figure) == in_hex(*expected)
    heights = [bar.get_height() for bar in figure.axes[1].containers[0]]
    assert heights == [0.05, 0.05, 0.9]


def test_of_many_labels_the_best_and_the_true_one_are_drawn() -> None:
    figure = figure_of([predicted(labels=MANY, truth=MANY[30])], MANY)
    colours = bar_colours(figure)
    assert len(colours) == 12
    assert set(in_hex(plot.RIGHT, plot.WRONG)) < set(colours)


@pytest.mark.parametrize("labels", [LABELS, MANY, ("$a$", "\ud800\n", "x" * 300)])
def test_nothing_is_cut_off_and_the_bytes_are_reproducible(labels: tuple[str, ...]) -> None:
    found = predicted(labels=labels)
    image = drawn(found, labels)
    grey = np.asarray(image.convert("L"))
    assert min(edge.min() for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1])) == 255
    assert set(image.info) <= {"dpi"}
    assert drawn(found, labels).tobytes() == image.tobytes()


@pytest.mark.parametrize("labels", [LABELS, MANY])
def test_no_name_overlaps_the_row_below(labels: tuple[str, ...]) -> None:
    found = [predicted(labels=labels, truth=labels[0])] * 4
    figure = figure_of(found, labels)
    renderer = FigureCanvasAgg(figure).get_renderer()
    below = figure.axes[6].title.get_window_extent(renderer)  # the first of the second row
    for axes in figure.axes[:6]:
        texts = (axes.xaxis.label, *axes.xaxis.get_ticklabels())
        assert all(text.get_window_extent(renderer).y0 >= below.y1 for text in texts)


def test_every_image_that_a_worker_accepts_is_drawn_upright_as_it_was_classified(
    tmp_path: Path,
) -> None:
    accepted = {name: data for name, (data, status) in bombs().items() if status is Status.OK}
    assert accepted
    for name, data in (variants() | accepted).items():
        (tmp_path / name).write_bytes(data)
    save_turned(tmp_path / "turned.jpg")
    paths = sorted(tmp_path.iterdir())
    axes = figure_of_files([predicted(path) for path in paths]).axes[::2]
    assert [len(ax.images) for ax in axes] == [1] * len(paths)
    of_name = {path.name: one.images[0] for path, one in zip(paths, axes, strict=True)}
    assert of_name["turned.jpg"].get_size() == (40, 20)  # height, width
    deep, plain = (grey_of(of_name[name]) for name in ("grey16.png", "rgb.png"))
    assert np.abs(deep - plain).max() <= 1


def save_turned(path: Path) -> None:
    """An image that its orientation turns."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (40, 20)).save(path, exif=exif)


def grey_of(image: AxesImage) -> npt.NDArray[np.float64]:
    return np.asarray(image.get_array(), float)[..., 0]


def test_the_reason_stands_where_there_is_no_image(tmp_path: Path) -> None:
    status = Status.UNSUPPORTED
    failed = Prediction("picture.png", "", None, status, status.sentence, "", {})
    axes = figure_of_files([predicted(tmp_path / "gone.png"), failed]).axes
    assert [one.texts[0].get_text().replace("\n", " ") for one in (axes[0], axes[2])] == [
        Status.MISSING.sentence,
        status.sentence,
    ]
    assert len(axes) == 3  # without bars
