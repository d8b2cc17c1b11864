"""The plots of an evaluation: complete, legible, small, and reproducible byte by byte."""

from __future__ import annotations

import ast
import io
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
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text as FigureText
from matplotlib.transforms import Bbox
from PIL import Image

from shared.messages.model_card import OperatingPoint
from worker.datasets.examples import Images, Labels
from worker.evaluation.metrics import Epoch, reliability
from worker.plots import chart, diagrams, image_sheets
from worker.plots.chart import OTHER, RIGHT, WRONG, Panel, in_rows, put_image, shortened, some
from worker.plots.diagrams import accepted_accuracy, confusion_matrix, curves
from worker.plots.image_sheets import VERTICAL_BARS, bars, colours
from worker.runtimes.runtime import softmax
from worker.training.assessment import Answered, evaluation_plots

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


def test_what_is_written_beside_a_diagram_does_not_reach_another() -> None:
    """The widest numbers that occur beside the axes of losses and of accuracies."""
    history = [Epoch(n, 1e-5 * n, 1 - 1e-4 * n, 1.2e-5 * n, 1 - 1e-4 * n, 1.0) for n in (998, 999)]
    bins = reliability(np.array([[0.4, 0.6]] * 10_000), np.ones(10_000, int))
    with matplotlib.rc_context(chart.changed_settings()):
        for figure in (
            figure_of(curves)(history),
            figure_of(diagrams.reliability_diagram)(bins),
            figure_of(confusion_matrix)(("a", "b"), np.array([[1, 2], [3, 4]])),
        ):
            renderer = FigureCanvasAgg(figure).get_renderer()
            first, second = (axes.get_tightbbox(renderer) for axes in figure.axes)
            assert first is not None
            assert second is not None
            assert not first.overlaps(second)


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


def test_drawing_does_not_use_pyplot() -> None:
    """Keras imports it, so that a trainer has it loaded anyway."""
    for file in Path(chart.__file__).parent.glob("*.py"):
        used = {one for one in ast.walk(ast.parse(file.read_text())) if "pyplot" in ast.dump(one)}
        assert not {one for one in used if isinstance(one, ast.Import | ast.ImportFrom)}, file.name


# Three by day: each is laid out, drawn and encoded.
@settings(max_examples=max(3, settings().max_examples // 40))
@given(st.lists(st.text(max_size=60), min_size=2, max_size=4))
def test_any_labels_can_be_drawn(labels: list[str]) -> None:
    counts = np.arange(len(labels) ** 2).reshape(len(labels), -1)
    data = confusion_matrix(labels, counts)
    assert is_white(border(Image.open(io.BytesIO(data))))


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


@given(st.text(), st.integers(4, 40))
def test_a_shortened_label_is_one_line_that_fits(label: str, limit: int) -> None:
    found = shortened(label, limit)
    assert len(found) <= limit
    assert found.isprintable()


def test_a_label_that_fits_is_unchanged() -> None:
    assert shortened("T-shirt/top", 11) == "T-shirt/top"


@pytest.mark.parametrize(("truth", "expected"), [(0, [RIGHT, OTHER]), (1, [WRONG, RIGHT])])
def test_bars_have_the_colours_of_the_tutorial(truth: int, expected: list[str]) -> None:
    assert colours(np.array([0.9, 0.1]), truth) == expected
    assert colours(np.array([0.9, 0.05, 0.05]), truth)[2] == OTHER


@pytest.mark.parametrize("classes", [VERTICAL_BARS, VERTICAL_BARS + 1, 60])
def test_the_bars_of_an_image_always_contain_predicted_and_true(classes: int) -> None:
    case = make(tuple(f"class {i}" for i in range(classes)), 0, (1, 1, 1), 0.0)
    for i in some(case.truth, 15):
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


def test_a_bar_is_drawn_to_the_pixel() -> None:
    figure, axes, [panel] = in_rows(1, 1, 1.7, (0.0, 0.0))
    bars(axes, panel, ("a", "b"), np.array([0.25, 0.75]), 1)
    columns = (pixels_of(figure) == (0, 0, 255)).all(-1).sum(0)
    assert abs(columns.max() - 0.75 * 170) <= 1


def test_images_are_chosen_from_the_front_unless_they_are_sorted_by_label() -> None:
    mixed, ordered = np.array([1, 0, 2, 1, 0, 2]), np.repeat([0, 1, 2], 10)
    assert some(mixed, 3).tolist() == [0, 1, 2]
    assert set(ordered[some(ordered, 6)]) == {0, 1, 2}
    assert some(mixed, 100).tolist() == list(range(6))


def test_the_first_image_of_a_sheet_is_the_first_image() -> None:
    case = CASES["ten"]
    figure = figure_of(image_sheets.sheet)(case.labels, case.images, case.truth, case.probabilities)
    [axes] = figure.axes
    assert np.array_equal(np.asarray(axes.images[0].get_array()), case.images[0, ..., 0])
    left, right, bottom, top = axes.images[0].get_extent()
    assert (left, top, right, bottom) == pytest.approx(frames_of(axes)[0].get_bbox().extents)


@pytest.mark.parametrize("shape", [(1, 1000, 1), (1000, 1, 1)])
def test_an_image_of_one_row_or_column_is_drawn(shape: tuple[int, int, int]) -> None:
    row = (np.arange(1000) % 256).astype(np.uint8).reshape(shape)
    for plot in (
        image_sheets.grid(("a",), row[None], np.zeros(1, np.int64)),
        image_sheets.single(row, "a"),
    ):
        assert max(Image.open(io.BytesIO(plot)).size) < 1000


def test_grey_values_are_ink_and_colours_are_colours() -> None:
    figure, axes, places = in_rows(2, 2, 1.0, (0.0, 0.0))
    ramp = np.array([[0, 100], [200, 255]], np.uint8)
    photo = np.array([[[10, 20, 30], [250, 0, 0]], [[0, 250, 0], [0, 0, 250]]], np.uint8)
    for place, image in zip(places, (ramp[..., None], photo), strict=True):
        put_image(axes, place, image)
    pixels = pixels_of(figure)
    quarters = pixels[12 + 25 : 12 + 100 : 50, 12 + 25 : 12 + 200 : 50]
    assert quarters[:, :2].tolist() == [[[255 - v] * 3 for v in row] for row in ramp.tolist()]
    assert quarters[:, 2:].tolist() == photo.tolist()


def figure_of(draw: Callable[..., bytes]) -> Callable[..., Figure]:
    """The function that draws a diagram, without the one that encodes the file."""
    return cast(Callable[..., Figure], draw.__wrapped__)  # type: ignore[attr-defined]


def pixels_of(figure: Figure) -> npt.NDArray[np.uint8]:
    """uint8 [height, width, 3] of the file of a figure."""
    file = chart.png_chart(lambda: figure)()
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


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


def test_the_histogram_of_few_images_has_no_raw_tex() -> None:
    """With counts below a decade Matplotlib labels the minor ticks of a log axis as TeX."""
    figure = figure_of(diagrams.reliability_diagram)(
        reliability(np.array([[0.6, 0.4], [0.55, 0.45], [0.7, 0.3]]), np.array([0, 1, 0]))
    )
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    texts = [text.get_text() for axes in figure.axes for text in axes.findobj(FigureText)]
    assert [text for text in texts if "$" in text or "mathdefault" in text] == []


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


@pytest.mark.parametrize("reached", [0.958, 0.95])
def test_the_text_of_an_operating_point_is_not_over_the_line(reached: float) -> None:
    """Of 300 predictions the surest 100 are right, and nine of ten others; the point is above that
    line or below it."""
    truth, sure = np.zeros(300, np.int64), np.linspace(0.99, 0.6, 300)
    sure[100::10] = 1 - sure[100::10]
    points = [OperatingPoint(0.9, 0.5, 0.6, reached, (0.5, 0.5))]
    predictions = np.stack([sure, 1 - sure], 1)
    figure = figure_of(accepted_accuracy)(predictions, truth, points)
    assert _texts_over_the_line(figure) == []


def _texts_over_the_line(figure: Figure) -> list[str]:
    canvas, (axes,) = FigureCanvasAgg(figure), figure.axes
    canvas.draw()
    line = axes.lines[0].get_transform().transform_path(axes.lines[0].get_path())
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts]
    return [text for text, box in boxes if line.intersects_bbox(box, filled=False)]
