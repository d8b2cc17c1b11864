"""The plots of an evaluation: complete, legible, small, and reproducible byte by byte."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, cast

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox
from PIL import Image

from shared.messages.model_card import OperatingPoint
from worker.datasets.examples import Images, Labels
from worker.evaluation import chart, image_sheets
from worker.evaluation.chart import RIGHT, WRONG, Panel, in_rows
from worker.evaluation.diagrams import accepted_accuracy, confusion_matrix
from worker.evaluation.image_sheets import VERTICAL_BARS, bars
from worker.evaluation.metrics import Epoch
from worker.runtimes.runtime import softmax
from worker.train.assessment import Answered, evaluation_plots

#: A sheet of photos; drawings of grey images have a third.
MAX_BYTES, MAX_PHOTO_BYTES = 250_000, 1_500_000
LONG = "A very long name of a folder of images, number {}, without mercy"
ODD = ("$x_1^", "$\\frac{1}{2}$", "日本語", "שלום", "a\nb\tc", "", "\ud800")
ALWAYS = {"confusion.png", "reliability.png", "samples.png", "mistakes.png"}


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
    history = [Epoch(i + 1, 1 / (i + 1), 0.9, 1.2 / (i + 1), 0.8, 1.0) for i in range(epochs)]
    return Case(labels, history, images, truth, softmax(logits))


GREY = (28, 28, 1)
PHOTOS = "colour, not square"
CASES = {
    "two long names, one epoch": make((LONG.format(1), LONG.format(2)), 1, GREY),
    "ten": make(tuple(f"class {i}" for i in range(10)), 24, GREY),
    "forty long names": make(tuple(LONG.format(i) for i in range(40)), 200, GREY, 6.0),
    PHOTOS: make(("daisy", "rose", "tulip"), 3, (48, 96, 3), 0.5),
    "no mistakes, no history": make(("a", "b"), 0, GREY, 1000.0),
}


def plots(case: Case) -> dict[str, bytes]:
    """The plots of a version with these images."""
    answered = Answered(case.probabilities, case.truth, case.images)
    return evaluation_plots(case.labels, case.history, answered)


@cache
def drawn(name: str) -> dict[str, bytes]:
    """The plots of a case."""
    return plots(CASES[name])


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.nightly if "epoch" in case else ()) for case in CASES],
)
def test_every_plot_is_complete_and_small(case: str) -> None:
    assert set(drawn(case)) == ALWAYS | ({"curves.png"} if CASES[case].history else set())
    for name, data in drawn(case).items():
        image = Image.open(io.BytesIO(data))
        assert image.format == "PNG"
        assert len(data) < (MAX_PHOTO_BYTES if case == PHOTOS else MAX_BYTES), name
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
    with matplotlib.rc_context(chart.changed_settings()):
        for figure in (
            figure_of(image_sheets.sheet)(labels, images, truth, probabilities),
            figure_of(image_sheets.mistakes)(labels, images, truth, probabilities),
            figure_of(image_sheets.grid)(labels, images, truth),
        ):
            assert_no_text_crosses_panels(figure)


def test_the_same_figures_give_the_same_bytes_with_any_matplotlib_settings() -> None:
    with matplotlib.rc_context({"axes.facecolor": "pink", "font.size": 30, "savefig.dpi": 30}):
        assert plots(CASES[PHOTOS]) == drawn(PHOTOS)


def test_the_files_contain_no_dates_and_no_programs() -> None:
    for data in drawn("ten").values():
        assert set(Image.open(io.BytesIO(data)).info) <= {"transparency"}


def test_names_of_the_widest_letters_are_complete() -> None:
    wide = "Ǆ" * 80
    plots = [
        confusion_matrix((wide, "a"), np.array([[1, 2], [3, 4]])),
        image_sheets.single(CASES["ten"].images[0], wide),
    ]
    for plot in plots:
        assert is_white(border(Image.open(io.BytesIO(plot))))


def test_odd_labels_can_be_drawn_everywhere() -> None:
    """Each is the truth of an image, and of a mistake."""
    case = make(ODD, 0, (8, 8, 1), sharpness=-9.0, count=len(ODD))._replace(
        truth=np.arange(len(ODD))
    )
    assert not (case.probabilities.argmax(1) == case.truth).any()
    assert set(plots(case)) == ALWAYS
    assert image_sheets.grid(case.labels, case.images, case.truth)
    assert image_sheets.single(case.images[0], " ".join(ODD))


@pytest.mark.parametrize("classes", [VERTICAL_BARS, VERTICAL_BARS + 1, 60])
def test_the_bars_of_an_image_always_contain_predicted_and_true(classes: int) -> None:
    case = make(tuple(f"class {i}" for i in range(classes)), 0, (1, 1, 1), 0.0)
    for i in range(15):
        row, true = case.probabilities[i], int(case.truth[i])
        drawn = {matplotlib.colors.to_hex(bar.get_facecolor()) for bar in bars_of(row, true)[1]}
        assert matplotlib.colors.to_hex(RIGHT) in drawn
        assert (matplotlib.colors.to_hex(WRONG) in drawn) == (row.argmax() != true)


@pytest.mark.parametrize("classes", [2, VERTICAL_BARS, VERTICAL_BARS + 1])
def test_bars_are_as_long_as_their_probabilities_and_stay_in_their_panel(classes: int) -> None:
    row = np.random.default_rng(classes).dirichlet(np.ones(classes))
    panel, drawn = bars_of(row, int(row.argmax()))
    boxes = [bar.get_bbox() for bar in drawn]
    assert all(panel.x(0) <= box.x0 <= box.x1 <= panel.x(1) for box in boxes)
    assert all(panel.y(1) <= box.y0 <= box.y1 <= panel.y(0) + 1e-6 for box in boxes)
    upright = classes <= VERTICAL_BARS
    shares = [box.height / panel.height if upright else box.width / panel.width for box in boxes]
    assert shares == pytest.approx(row if upright else sorted(row, reverse=True)[: len(shares)])


def figure_of(draw: Callable[..., bytes]) -> Callable[..., Figure]:
    """The function that draws a diagram, without the one that encodes the file."""
    return cast(Callable[..., Figure], draw.__wrapped__)  # type: ignore[attr-defined]


def bars_of(row: npt.NDArray[np.floating], truth: int) -> tuple[Panel, list[Rectangle]]:
    """The bars of an image, and the panel that they are drawn in."""
    _, axes, [panel] = in_rows(1, 1, 1.7, (0.0, 0.0))
    bars(axes, panel, [f"class {i}" for i in range(len(row))], row, truth)
    assert len(frames_of(axes)) == 1
    return panel, [one for one in rectangles(axes) if one.get_fill()]


def rectangles(axes: Axes) -> list[Rectangle]:
    return [one for one in axes.get_children() if isinstance(one, Rectangle) and one != axes.patch]


def frames_of(axes: Axes) -> list[Rectangle]:
    return [one for one in rectangles(axes) if not one.get_fill()]


def assert_no_text_crosses_panels(figure: Figure) -> None:
    """A caption, which hangs below its image, is in no panel; the name of a bar is in one."""
    [axes], renderer = figure.axes, FigureCanvasAgg(figure).get_renderer()
    frames = [frame.get_window_extent(renderer) for frame in frames_of(axes)]
    assert len(frames) >= len(axes.images)
    for text in axes.texts:
        place = text.get_window_extent(renderer)
        crossed = sum(overlap(place, frame) for frame in frames)
        is_caption = text.get_horizontalalignment() == "center" and not text.get_rotation()
        assert crossed <= (not is_caption), text.get_text()


def overlap(one: Bbox, other: Bbox) -> bool:
    """By at least a pixel: a box is around whole pixels."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    return bool(min(across, min(one.y1, other.y1) - max(one.y0, other.y0)) >= 1)


def border(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The outermost pixels."""
    grey = np.asarray(image.convert("L"))
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def is_white(pixels: npt.NDArray[np.uint8]) -> bool:
    return bool((pixels >= 250).all())


def test_operating_points_that_all_reach_everything_share_a_text_below_100_percent() -> None:
    truth = np.arange(60) % 2
    sure = np.eye(2)[truth]
    points = [OperatingPoint(p, 0.5, 1.0, 1.0, (0.5, 0.5)) for p in (0.9, 0.95, 0.98)]
    figure = figure_of(accepted_accuracy)(sure, truth, points)
    (axes,) = figure.axes
    assert max(axes.get_yticks()) == pytest.approx(1)
    assert [text.get_text() for text in axes.texts] == ["90%, 95%, 98%"]
    assert _texts_over_the_line(figure) == []
    nothing = OperatingPoint(0.9, None, 0.0, 0.0, (None, None))
    (axes,) = figure_of(accepted_accuracy)(sure, truth, [nothing]).axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one threshold for all labels"]


def _texts_over_the_line(figure: Figure) -> list[str]:
    canvas, (axes,) = FigureCanvasAgg(figure), figure.axes
    canvas.draw()
    line = axes.lines[0].get_transform().transform_path(axes.lines[0].get_path())
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
    return [text for text, box in boxes if line.intersects_bbox(box, filled=False)]
