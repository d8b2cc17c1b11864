"""`hangtag predict --plot` draws every image that a worker accepts, in bounded time and memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from producer.predict import plot
from producer.predict.predictions import Prediction
from shared.image_status import Status
from tests.support.images.decompression_bombs import bombs
from tests.support.images.image_zoo import garment, variants
from worker.demo.images import encoded

ROOT = Path(__file__).parents[3]
LABELS = ("Bag", "Coat", "Trouser")
MANY = tuple(f"A label with a long name {i}" for i in range(40))
#: Of the process that draws all bombs; a worker's bound is 0.8 GB.
MAX_PEAK_BYTES = 800 * 10**6
MAX_S = 60.0


def predicted(path: Path, labels: tuple[str, ...] = LABELS, truth: str = "") -> Prediction:
    """A prediction for an image: the last label, with 90 %."""
    rest = {label: 0.1 / (len(labels) - 1) for label in labels[:-1]}
    return Prediction(
        str(path), labels[-1], 0.9, Status.OK, "", "", {labels[-1]: 0.9} | rest, truth
    )


@pytest.fixture
def image_path(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(garment()))
    return path


def drawn(path: Path, found: Prediction, labels: tuple[str, ...] = LABELS) -> Image.Image:
    return Image.open(io.BytesIO(plot.plot([os.fsencode(path)], [found], labels)))


def figure_of(path: Path, found: Prediction, labels: tuple[str, ...] = LABELS) -> Figure:
    figure = plot._figure([os.fsencode(path)], [found], labels)
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
    image_path: Path, truth: str, expected: list[str], caption: str
) -> None:
    figure = figure_of(image_path, predicted(image_path, truth=truth))
    assert figure.axes[0].get_xlabel() == caption
    assert bar_colours(figure) == in_hex(*expected)
    heights = [bar.get_height() for bar in figure.axes[1].containers[0]]
    assert heights == [0.05, 0.05, 0.9]


def test_of_many_labels_the_best_and_the_true_one_are_drawn(image_path: Path) -> None:
    figure = figure_of(image_path, predicted(image_path, MANY, truth=MANY[30]), MANY)
    colours = bar_colours(figure)
    assert len(colours) == plot.STANDING_LABELS
    assert set(in_hex(plot.RIGHT, plot.WRONG)) < set(colours)


@pytest.mark.parametrize("labels", [LABELS, MANY, ("$a$", "\ud800\n", "x" * 300)])
def test_nothing_is_cut_off_and_the_bytes_are_reproducible(
    image_path: Path, labels: tuple[str, ...]
) -> None:
    found = predicted(image_path, labels)
    image = drawn(image_path, found, labels)
    grey = np.asarray(image.convert("L"))
    assert min(edge.min() for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1])) == 255
    assert set(image.info) <= {"dpi"}
    assert drawn(image_path, found, labels).tobytes() == image.tobytes()


@pytest.mark.parametrize("labels", [LABELS, MANY])
def test_no_name_overlaps_the_row_below(image_path: Path, labels: tuple[str, ...]) -> None:
    found = [predicted(image_path, labels, truth=labels[0])] * 4
    figure = plot._figure([os.fsencode(image_path)] * 4, found, labels)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    below = figure.axes[6].title.get_window_extent(renderer)  # the first of the second row
    for axes in figure.axes[:6]:
        texts = (axes.xaxis.label, *axes.xaxis.get_ticklabels())
        assert all(text.get_window_extent(renderer).y0 >= below.y1 for text in texts)


@pytest.mark.parametrize("name", variants(garment()))
def test_every_kind_of_image_is_drawn(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(variants(garment())[name])
    axes = figure_of(path, predicted(path)).axes[0]
    assert len(axes.images) == 1
    assert not axes.texts


def test_a_16_bit_image_is_drawn_like_the_same_one_with_8_bits(tmp_path: Path) -> None:
    drawn_images = []
    for name in ("grey16.png", "rgb.png"):
        (tmp_path / name).write_bytes(variants(garment())[name])
        (image,) = figure_of(tmp_path / name, predicted(tmp_path / name)).axes[0].images
        array = np.asarray(image.get_array(), float)
        drawn_images.append(array if array.ndim == 2 else array[..., 0])
    deep, plain = drawn_images
    spread = (plain - plain.min()) * 255 / (plain.max() - plain.min())
    assert np.abs(deep - spread).max() <= 1


def test_an_image_is_drawn_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    image = Image.new("L", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    (upright,) = figure_of(path, predicted(path)).axes[0].images
    assert upright.get_size() == (40, 20)  # height, width


def test_a_deleted_image_is_reported(tmp_path: Path) -> None:
    axes = figure_of(tmp_path / "gone.png", predicted(tmp_path / "gone.png")).axes[0]
    assert [text.get_text() for text in axes.texts] == ["It cannot be shown."]


def test_an_image_without_a_label_displays_the_reason(image_path: Path) -> None:
    status = Status.UNSUPPORTED
    found = Prediction("picture.png", "", None, status, status.sentence, "", {})
    figure = figure_of(image_path, found)
    assert len(figure.axes) == 1
    assert figure.axes[0].texts[0].get_text().replace("\n", " ") == status.sentence


def test_a_bomb_that_a_worker_accepts_is_drawn_in_bounded_memory_and_time(tmp_path: Path) -> None:
    passed = {name: data for name, (data, status) in bombs().items() if status is Status.OK}
    assert passed
    for name, data in passed.items():
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _DRAW_ALL, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=MAX_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, peak_kilobytes = map(int, done.stdout.split())
    assert count == len(passed)
    assert peak_kilobytes * 1024 < MAX_PEAK_BYTES


_DRAW_ALL = """
import os, sys
from producer.predict import plot
from producer.predict.predictions import Prediction
from shared.image_status import Status
found = Prediction("bomb", "a", 1.0, Status.OK, "", "", {"a": 1.0, "b": 0.0})
paths = sorted(entry.path for entry in os.scandir(sys.argv[1].encode()))
assert all(plot.plot([path], [found], ("a", "b")) for path in paths)
# Not getrusage: its peak is that of the process before exec, too.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(paths), peak.split()[1])
"""
