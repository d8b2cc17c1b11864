"""What came out of a training, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from producer.present.formatting import duration, percent
from producer.present.style import doubtful, fitted_lines, good
from producer.present.summary_parts import Figure, figures, next_commands, paragraphs
from producer.summary.class_figures import (
    accuracy_figure,
    chance_line,
    few_images_line,
    weakest_lines,
)
from producer.summary.right_of_others import OF_OTHERS, range_of
from shared.messages.model_card import Metrics
from shared.messages.replies import Evaluation, Trained

#: The parts of a version's evaluation: the test images say what to expect, if there are any.
HELDOUT, TEST = "heldout", "test"
#: The standard error of fewer held-out images is larger than most differences between versions.
FEW_HELDOUT = 200


def training_lines(
    trained: Trained,
    evaluations: Mapping[str, Evaluation],
    notes: Sequence[str] = (),
    room: int | None = None,
) -> list[str]:
    """The version, how right it is, its weakest classes, notes on the data, the decision, and the
    next commands."""
    measured = evaluations.get(TEST) or evaluations.get(HELDOUT)
    images = "test images" if {HELDOUT, TEST} <= evaluations.keys() else ""
    weakest = [] if measured is None else weakest_lines(measured, images)
    hints = [] if measured is None else [chance_line(measured), few_images_line(measured)]
    lines = paragraphs(
        [f"{trained.model} is published, after {duration(trained.seconds)}"],
        figures([*_of_others(trained), *_measured(trained)], room),
        [*weakest, *filter(None, hints)],
        notes,
        list(_verdict(trained)),
    )
    return paragraphs(fitted_lines(lines, room), next_commands(list(_next(trained))))


def _measured(trained: Trained) -> list[Figure]:
    return metric_figures(trained.metrics, trained.heldout_error)


def _of_others(trained: Trained) -> Iterator[Figure]:
    """What is right of the images that no person has named."""
    right = trained.right_of_others
    if right is not None:
        yield Figure(percent(right.share), OF_OTHERS, range_of(right))


def metric_figures(metrics: Metrics, heldout_error: float = 0.0) -> list[Figure]:
    """Accuracies with their errors, and the calibration error; nothing that was not measured."""
    figures = []
    if metrics.heldout_count:
        heldout = metrics.heldout_accuracy, metrics.heldout_count
        figures.append(accuracy_figure(*heldout, "held-out", heldout_error))
    if metrics.test_accuracy is not None and metrics.test_count:
        figures.append(accuracy_figure(metrics.test_accuracy, metrics.test_count, "test"))
    if figures:
        ece = metrics.heldout_ece if metrics.test_ece is None else metrics.test_ece
        figures.append(Figure(percent(ece), "calibration error", "of the confidence, on average"))
    return figures


def _verdict(trained: Trained) -> Iterator[str]:
    """The decision of the quality gate, with its reason."""
    decision = trained.decision
    if decision.changed:
        now = f"{_name(trained)}@{decision.alias} is version {decision.version} now"
        yield f"{good(now)}: {decision.why}"
    else:
        yield decision.why
    if decision.before is not None and 0 < trained.metrics.heldout_count < FEW_HELDOUT:
        yield doubtful(
            f"with {trained.metrics.heldout_count:,} held-out images this comparison is mostly "
            "chance; compare on more images with: hangtag models evaluate --data DIR"
        )


def _name(trained: Trained) -> str:
    return trained.model.partition("@")[0]


def _next(trained: Trained) -> Iterator[tuple[str, str]]:
    decision, name = trained.decision, _name(trained)
    if trained.metrics.heldout_count:
        yield "see it", f"hangtag models report {trained.model}"
    if decision.changed:
        yield "use it", f"hangtag classify DIR --model {name}"
        if decision.before is not None:
            yield "undo it", f"hangtag models rollback {name}"
    else:
        yield "try it", f"hangtag classify DIR --model {trained.model}"
        yield "promote it", f"hangtag models promote {trained.model}"
