"""The plots of an evaluation: complete, legible, small, and reproducible byte by byte."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from worker.datasets.examples import Images, Labels
from worker.evaluation.reliability import reliability
from worker.plots import (
    evaluation_plots,
    mistakes,
    plot_style,
    prediction_sheet,
    reliability_diagram,
    sample_grid,
)
from worker.plots.confusion import confusion_matrix
from worker.plots.curves import curves
from worker.plots.mistakes import most_confident
from worker.plots.panels import Panel, empty_page
from worker.plots.plot_style import OTHER, RIGHT, WRONG, shortened, some
from worker.plots.probability_bars import VERTICAL_BARS, bars, colours
from worker.runtimes.classifier import softmax

ROOT = Path(__file__).parents[3]
#: A sheet of photos; drawings of grey images have a third.
MAX_BYTES, MAX_PHOTO_BYTES = 250_000, 1_500_000
LONG = "A very long name of a folder of images, number {}, without mercy"
ODD = ("$x_1^", "$\\frac{1}{2}$", "日本語", "שלום", "a\nb\tc", "", "\ud800")
ALWAYS = {"confusion.png", "reliability.png", "samples.png", "mistakes.png"}


class Epoch(NamedTuple):
    """The plotted values of an epoch."""

    number: int
    loss: float
    accuracy: float
    heldout_loss: float
    heldout_accuracy: float


class Case(NamedTuple):
    """The plotted values of an evaluation."""

    labels: tuple[str, ...]
    history: list[Epoch]
    images: Images
    truth: Labels
    probabilities: npt.NDArray[np.floating]


def make(
    labels: tuple[str, ...],
    epochs: int,
    shape: tuple[int, int, int],
    sharpness: float = 2.0,
    count: int = 60,
) -> Case:
    """Images of noise with predictions; more sharpness gives more right ones."""
    rng = np.random.default_rng(len(labels))
    truth = rng.integers(0, len(labels), count)
    logits = rng.normal(0, 1, (count, len(labels)))
    logits[np.arange(count), truth] += sharpness
    images = rng.integers(0, 256, (count, *shape)).astype(np.uint8)
    history = [Epoch(i + 1, 1 / (i + 1), 0.9, 1.2 / (i + 1), 0.8) for i in range(epochs)]
    return Case(labels, history, images, truth, softmax(logits))


GREY = (28, 28, 1)
PHOTOS = "colour, not square"
PANEL = Panel(0.0, 0.0, 1.7, 1.7)
CASES = {
    "two long names, one epoch": make((LONG.format(1), LONG.format(2)), 1, GREY),
    "ten": make(tuple(f"class {i}" for i in range(10)), 24, GREY),
    "forty long names": make(tuple(LONG.format(i) for i in range(40)), 200, GREY, 6.0),
    PHOTOS: make(("daisy", "rose", "tulip"), 3, (48, 96, 3), 0.5),
    "no mistakes, no history": make(("a", "b"), 0, GREY, 1000.0),
}


@cache
def drawn(name: str) -> dict[str, bytes]:
    """The plots of a case."""
    return evaluation_plots.plots(*CASES[name])


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.nightly if "epoch" in case else ()) for case in CASES],
)
def test_every_plot_is_complete_and_small(case: str) -> None:
    assert set(drawn(case)) == ALWAYS | ({"curves.png"} if CASES[case].history else set())
    for name, data in drawn(case).items():
        image = Image.open(io.BytesIO(data))
        assert image.format == "PNG"
        assert len(data) < (MAX_PHOTO_BYTES if image.mode == "RGB" else MAX_BYTES), name
        assert is_white(border(image)), f"{name} is cut off"
        assert not is_white(np.asarray(image.convert("L"))), name


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=() if "long" in name else pytest.mark.nightly)
        for name, case in CASES.items()
    ],
)
def test_no_caption_overlaps_another_panel(case: Case) -> None:
    labels, _, images, truth, probabilities = case
    for figure in (
        undecorated(prediction_sheet.sheet)(labels, images, truth, probabilities),
        undecorated(mistakes.mistakes)(labels, images, truth, probabilities),
        undecorated(sample_grid.grid)(labels, images, truth),
    ):
        assert_no_text_crosses_panels(figure)


def test_the_same_figures_give_the_same_bytes_with_any_matplotlib_settings() -> None:
    with matplotlib.rc_context({"axes.facecolor": "pink", "font.size": 30, "savefig.dpi": 30}):
        assert evaluation_plots.plots(*CASES[PHOTOS]) == drawn(PHOTOS)


def test_a_plot_is_laid_out_once_as_matplotlib_does_twice() -> None:
    history, expected = CASES["ten"].history, io.BytesIO()
    with matplotlib.rc_context(plot_style._changed()):
        undecorated(curves)(history).savefig(
            expected, format="png", bbox_inches="tight", pad_inches=plot_style.MARGIN_INCHES
        )
    whole = np.asarray(Image.open(expected).convert("L"), int)
    found = np.asarray(Image.open(io.BytesIO(drawn("ten")["curves.png"])).convert("L"), int)
    assert found.shape == whole.shape
    assert np.abs(found - whole).mean() < 1  # of 255: the file has a palette


@pytest.mark.parametrize("case", ["ten", PHOTOS])
def test_among_images_paper_and_bars_keep_their_colours(case: str) -> None:
    image = Image.open(io.BytesIO(drawn(case)["samples.png"])).convert("RGB")
    counts = {colour: count for count, colour in image.getcolors(1 << 24) or []}
    assert max(counts, key=lambda colour: counts[colour]) == (255, 255, 255)
    assert counts[0, 0, 255] > 1000
    assert counts[255, 0, 0] > 1000


def test_the_files_contain_no_dates_and_no_programs() -> None:
    for data in drawn("ten").values():
        assert set(Image.open(io.BytesIO(data)).info) <= {"transparency"}


def test_drawing_does_not_import_pyplot() -> None:
    program = "import sys, worker.plots.evaluation_plots; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True
    )
    assert done.stdout.strip() == "False"


# Three by day: each is laid out, drawn and encoded.
@settings(max_examples=max(3, settings().max_examples // 40))
@given(st.lists(st.text(max_size=60), min_size=2, max_size=4))
def test_any_labels_can_be_drawn(labels: list[str]) -> None:
    counts = np.arange(len(labels) ** 2).reshape(len(labels), -1)
    data = confusion_matrix(labels, counts)
    assert is_white(border(Image.open(io.BytesIO(data))))


def test_odd_labels_can_be_drawn_everywhere() -> None:
    """Each is the truth of an image, and of a mistake."""
    case = make(ODD, 0, (8, 8, 1), sharpness=-9.0, count=len(ODD))._replace(
        truth=np.arange(len(ODD))
    )
    assert not (case.probabilities.argmax(1) == case.truth).any()
    assert set(evaluation_plots.plots(*case)) == ALWAYS
    assert sample_grid.grid(case.labels, case.images, case.truth)
    assert sample_grid.single(case.images[0], " ".join(ODD))


@given(st.text(), st.integers(4, 40))
def test_a_shortened_label_is_one_line_that_fits(label: str, limit: int) -> None:
    found = shortened(label, limit)
    assert len(found) <= limit
    assert found.isprintable()


def test_a_label_that_fits_is_unchanged() -> None:
    assert shortened("T-shirt/top", 11) == "T-shirt/top"


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_mistakes_equal_those_of_a_loop_with_the_most_confident_first(
    seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    truth, predictions = rng.integers(0, 3, 30), rng.dirichlet([1, 1, 1], 30).round(1)
    wrong = [i for i in range(30) if predictions[i].argmax() != truth[i]]
    wrong.sort(key=lambda i: -predictions[i].max())
    assert most_confident(predictions, truth, count).tolist() == wrong[:count]


@pytest.mark.parametrize(("truth", "expected"), [(0, [RIGHT, OTHER]), (1, [WRONG, RIGHT])])
def test_bars_have_the_colours_of_the_tutorial(truth: int, expected: list[str]) -> None:
    assert colours(np.array([0.9, 0.1]), truth) == expected
    assert colours(np.array([0.9, 0.05, 0.05]), truth)[2] == OTHER


@pytest.mark.parametrize("classes", [VERTICAL_BARS, VERTICAL_BARS + 1, 60])
def test_the_bars_of_an_image_always_contain_predicted_and_true(classes: int) -> None:
    case = make(tuple(f"class {i}" for i in range(classes)), 0, (1, 1, 1), 0.0)
    for i in some(case.truth, 15):
        _, axes = empty_page([PANEL])
        row, true = case.probabilities[i], int(case.truth[i])
        bars(axes, PANEL, case.labels, row, true)
        drawn = {matplotlib.colors.to_hex(bar.get_facecolor()) for bar in axes.patches}
        assert matplotlib.colors.to_hex(RIGHT) in drawn
        assert (matplotlib.colors.to_hex(WRONG) in drawn) == (row.argmax() != true)


@pytest.mark.parametrize("classes", [2, VERTICAL_BARS, VERTICAL_BARS + 1])
def test_bars_are_as_long_as_their_probabilities_and_stay_in_their_panel(classes: int) -> None:
    row = np.random.default_rng(classes).dirichlet(np.ones(classes))
    _, axes = empty_page([PANEL])
    bars(axes, PANEL, [f"class {i}" for i in range(classes)], row, int(row.argmax()))
    *boxes, frame = [patch.get_extents() for patch in axes.patches]
    assert all(frame.x0 <= box.x0 <= box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 - 1e-6 <= box.y0 <= box.y1 <= frame.y1 for box in boxes)
    upright = classes <= VERTICAL_BARS
    shares = [box.height / frame.height if upright else box.width / frame.width for box in boxes]
    assert shares == pytest.approx(row if upright else sorted(row, reverse=True)[: len(shares)])


def test_images_are_chosen_from_the_front_unless_they_are_sorted_by_label() -> None:
    mixed, ordered = np.array([1, 0, 2, 1, 0, 2]), np.repeat([0, 1, 2], 10)
    assert some(mixed, 3).tolist() == [0, 1, 2]
    assert set(ordered[some(ordered, 6)]) == {0, 1, 2}
    assert some(mixed, 100).tolist() == list(range(6))


def test_the_first_image_of_a_sheet_is_the_first_image() -> None:
    case = CASES["ten"]
    figure = undecorated(prediction_sheet.sheet)(
        case.labels, case.images, case.truth, case.probabilities
    )
    drawn = figure.axes[0].images[0].get_array()
    assert drawn is not None
    assert np.array_equal(drawn, case.images[0][..., 0])


def undecorated(draw: Callable[..., bytes]) -> Callable[..., Figure]:
    """The function that draws, without the one that encodes the file."""
    return cast(Callable[..., Figure], draw.__wrapped__)  # type: ignore[attr-defined]


def assert_no_text_crosses_panels(figure: Figure) -> None:
    """A caption, which hangs below its image, is in no panel; the name of a bar is in one."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (axes,) = figure.axes
    frames = [patch.get_window_extent() for patch in axes.patches if not patch.get_fill()]
    assert len(frames) >= len(axes.images)
    for text in axes.texts:
        extent = text.get_window_extent(renderer)
        crossed = sum(extent.overlaps(frame) for frame in frames)
        assert crossed <= (text.get_verticalalignment() != "top"), text.get_text()


def border(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The outermost pixels."""
    grey = np.asarray(image.convert("L"))
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def is_white(pixels: npt.NDArray[np.uint8]) -> bool:
    return bool((pixels >= 250).all())


def test_the_histogram_of_few_images_has_no_raw_tex() -> None:
    """With counts below a decade Matplotlib labels the minor ticks of a log axis as TeX."""
    figure = undecorated(reliability_diagram.reliability_diagram)(
        reliability(np.array([[0.6, 0.4], [0.55, 0.45], [0.7, 0.3]]), np.array([0, 1, 0]))
    )
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    texts = [text.get_text() for axes in figure.axes for text in axes.findobj(Text)]
    assert [text for text in texts if "$" in text or "mathdefault" in text] == []


def test_photos_keep_their_colours() -> None:
    """A grid of photos is not reduced to a palette."""
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (25, 48, 48, 3)).astype(np.uint8)
    image = Image.open(io.BytesIO(sample_grid.grid(("a", "b"), photos, np.arange(25) % 2)))
    assert image.mode == "RGB"
