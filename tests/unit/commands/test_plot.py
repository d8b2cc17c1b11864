"""`hangtag predict --plot` draws every image that a worker accepts, in bounded time and memory."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from producer.predict import plot
from producer.predict.predictions import Prediction
from shared.image_status import Status
from shared.pipes import prediction_plot as pipe
from shared.pipes.thumbnail import Order
from tests.support.images.decompression_bombs import bombs
from tests.support.images.image_zoo import garment, variants
from worker import prediction_plot
from worker.demo.images import encoded
from worker.plots import chart
from worker.plots.plot_style import OTHER, RIGHT, UNJUDGED, WRONG
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


def order_of(found: list[Prediction], labels: tuple[str, ...] = LABELS) -> pipe.Order:
    """What the producer sends for one image with each of these predictions."""
    return pipe.Order(labels, tuple(plot._drawn(IMAGE, one, labels) for one in found))


def axes_of(order: pipe.Order) -> Axes:
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
    return axes_of(pipe.Order(LABELS, tuple(plot._drawn(*pair, LABELS) for pair in pairs)))


def bar_colours(axes: Axes) -> list[str]:
    bars = [one for one in axes.get_children() if isinstance(one, Rectangle) and one.get_fill()]
    return [matplotlib.colors.to_hex(one.get_facecolor()) for one in bars if one != axes.patch]


def in_hex(*names: str) -> list[str]:
    return [matplotlib.colors.to_hex(name) for name in names]


def lines(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("truth", "expected", "caption"),
    [
        ("", [OTHER, OTHER, UNJUDGED], ["Trouser 90%"]),
        ("Trouser", [OTHER, OTHER, RIGHT], ["Trouser 90%", "(Trouser)"]),
        ("Coat", [OTHER, RIGHT, WRONG], ["Trouser 90%", "(Coat)"]),
    ],
)
def test_caption_and_bars_are_those_of_the_tutorial(
    truth: str, expected: list[str], caption: list[str]
) -> None:
    axes = axes_of(order_of([predicted(truth=truth)]))
    assert lines(axes) == ["picture.png", *caption, *LABELS]
    assert bar_colours(axes) == in_hex(*expected)
    colour = matplotlib.colors.to_hex(axes.texts[1].get_color())
    assert colour == bar_colours(axes)[2]


def test_of_many_labels_the_best_and_the_true_one_are_drawn() -> None:
    axes = axes_of(order_of([predicted(labels=MANY, truth=MANY[30])], MANY))
    assert len(bar_colours(axes)) == 5
    assert set(in_hex(RIGHT, WRONG)) < set(bar_colours(axes))


@pytest.mark.parametrize("labels", [LABELS, MANY, ("$a$", "\ud800\n", "x" * 300)])
def test_nothing_is_cut_off_and_the_bytes_are_reproducible(labels: tuple[str, ...]) -> None:
    order = order_of([predicted(labels=labels)], labels)
    file = prediction_plot.plot(order)
    image = Image.open(io.BytesIO(file))
    grey = np.asarray(image.convert("L"))
    assert min(edge.min() for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1])) == 255
    assert image.info == {}
    assert prediction_plot.plot(order) == file


@pytest.mark.parametrize("labels", [LABELS, MANY])
def test_no_caption_overlaps_the_row_below(labels: tuple[str, ...]) -> None:
    flagged = msgspec.structs.replace(predicted(labels=labels, truth=labels[0]), flag="blank")
    axes = axes_of(order_of([flagged] * 4, labels))
    title = [text for text in axes.texts if text.get_text() == "picture.png"][3]
    captions = [text for text in axes.texts if text.get_text() == "blank"][:3]
    assert all(bottom_of(text) > title.get_window_extent().y1 for text in captions)


def bottom_of(text: Text) -> float:
    return float(text.get_window_extent().y0)


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


def test_the_process_that_draws_gets_an_order_and_returns_the_file(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(encoded(garment()))
    found = predicted(tmp_path / "picture.png", truth="Coat")
    file = plot.plot([os.fsencode(found.path)], [found], LABELS)
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "PNG"
        assert {(0, 0, 255), (255, 0, 0)} < {
            colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []
        }
