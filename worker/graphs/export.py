"""Exports a trained network to the files that workers load: `model.keras` and `model.tflite`.

Both return logits. What follows (second pass, temperature, softmax) is the same code for all
runtimes; its parameters are fitted here, on the held-out images, in the precision that is served.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import keras
import msgspec
import numpy as np
import tensorflow as tf

from shared.errors import SetupError, is_fault_of_machine
from shared.messages.model_card import Card
from shared.runtimes import LITERT, TENSORFLOW
from worker.datasets.examples import Examples, Images
from worker.evaluation.calibration import Passes, SecondPass, choose_second_pass, temperature
from worker.evaluation.operating_points import operating_points
from worker.graphs import call_size, convert, precision
from worker.graphs.served import Served
from worker.runtimes.litert_runtime import LiteRT
from worker.runtimes.runtime import Classifier, Graph, Probabilities, probabilities
from worker.runtimes.tensorflow_runtime import TensorFlow

log = logging.getLogger(__name__)
KERAS, TFLITE = TENSORFLOW.artifact, LITERT.artifact
#: What is displayed of an export.
CONVERTING, CONVERTING_INT8 = "converting the network", "converting it to int8"
COMPARING = "comparing the runtimes"
#: Two runtimes round differently; a larger difference is an error.
PROBABILITY_TOLERANCE = 1e-4
#: Two probabilities that each differ by the tolerance may swap their order.
MARGIN_TOLERANCE = 2 * PROBABILITY_TOLERANCE
#: Held-out images on which the runtimes are compared, at most.
COMPARED_IMAGES = 5000
#: Images that are mirrored at a time: all held-out images may not fit into memory.
MIRRORED_IMAGES = 256


def export(
    network: keras.Model,
    card: Card,
    held: Examples,
    calibration: Images,
    *,
    requested: precision.Requested = "auto",
    mirror: bool = False,
    on_part: Callable[[str], None] = lambda name: None,
) -> Served:
    """Export, choose precision, second pass and call size, and calibrate.

    `calibration` are training images for the ranges of int8; `mirror` permits a second pass.
    `on_part` gets what is done next, and may raise to stop.

    Raises:
        SetupError: the two runtimes do not agree, or int8 was requested and cannot be exported.
    """
    on_part(CONVERTING)
    card, graph = _plain(card), convert.frozen(network)
    files, fp32 = _fp32(network, graph, card, held.images)
    on_part(COMPARING)
    tried = choose_second_pass(_passes(fp32, held.images, mirror), held.labels)
    if requested == "fp32":
        choice = precision.PrecisionChoice("fp32", precision.REQUESTED)
        return _served(card, files, choice, tried, held)
    on_part(CONVERTING_INT8)
    try:
        data = convert.int8_file(graph, calibration)
        int8 = choose_second_pass(_passes(_graph(card, data), held.images, mirror), held.labels)
    except Exception as error:  # the converter raises exceptions of any class
        if is_fault_of_machine(error):
            raise
        choice = _without_int8(requested, error)
        return _served(card, files, choice, tried, held)
    trial = precision.compare(tried.logits, int8.logits, held.labels)
    card = msgspec.structs.replace(card, precision_trial=trial)
    choice = precision.choose(requested, trial)
    if choice.precision == "int8":
        files, tried = files | {TFLITE: data}, int8
    return _served(card, files, choice, tried, held)


def export_unlabelled(network: keras.Model, card: Card, images: Images) -> Served:
    """Export in fp32, without calibration: no labels are known.

    Raises:
        SetupError: the two runtimes do not agree on `images` uint8 [n, H, W, C].
    """
    card = msgspec.structs.replace(_plain(card), precision_why=precision.UNKNOWN)
    files, _ = _fp32(network, convert.frozen(network), card, images)
    card = msgspec.structs.replace(card, call_images=call_size.choose(card, files[TFLITE]))
    return Served(card, files, np.empty((0, len(card.labels)), np.float32))


def _plain(card: Card) -> Card:
    """The card of a graph in fp32 that is not calibrated."""
    return msgspec.structs.replace(
        card,
        output="logits",
        precision="fp32",
        precision_why="",
        precision_trial=None,
        temperature=1.0,
        second_pass_margin=0.0,
        second_pass_share=0.0,
        operating_points=(),
    )


def _fp32(
    network: keras.Model, frozen: convert.Frozen, card: Card, images: Images
) -> tuple[dict[str, bytes], Graph]:
    """The files in fp32, on which both runtimes agree, and the LiteRT graph."""
    files = {KERAS: convert.keras_file(network), TFLITE: convert.fp32_file(frozen)}
    some = images[_spread(len(images), COMPARED_IMAGES)]
    graph = _graph(card, files[TFLITE])
    exact = predict_in_keras(card, files[KERAS], some)
    check_agreement(probabilities(graph.run(some).logits, 1.0), exact)
    return files, graph


def _graph(card: Card, artifact: bytes) -> Graph:
    return LiteRT(call_size.bounded(card, artifact), artifact)


def predict_in_keras(card: Card, artifact: bytes, images: Images) -> Probabilities:
    """The predictions of the TensorFlow runtime, to compare with others: on the CPU."""
    with tf.device("CPU"):  # a GPU's rounding differs by more than the tolerance
        graph = TensorFlow(card, artifact, len(images))
        return Classifier(card, graph).predict(images)


def _without_int8(requested: precision.Requested, error: Exception) -> precision.PrecisionChoice:
    log.warning("the export in int8 failed", exc_info=error)
    reason = " ".join(str(error).split())[:200]
    if requested == "int8":
        raise SetupError(
            f"the network cannot be exported in int8 ({reason}); use --precision auto"
        ) from error
    return precision.PrecisionChoice("fp32", f"it cannot be exported in int8 ({reason})")


def _passes(graph: Graph, images: Images, mirror: bool) -> Passes:
    first = graph.run(images).logits
    if not mirror:
        return [first]
    second = np.empty_like(first)
    for start in range(0, len(images), MIRRORED_IMAGES):
        rows = slice(start, start + MIRRORED_IMAGES)
        second[rows] = graph.look_again(images[rows])
    return [first, second]


def _served(
    card: Card,
    files: dict[str, bytes],
    choice: precision.PrecisionChoice,
    passes: SecondPass,
    held: Examples,
) -> Served:
    """The version with everything that is fitted on the logits that it serves."""
    cooling = temperature(passes.logits, held.labels)
    points = operating_points(probabilities(passes.logits, cooling), held.labels)
    card = msgspec.structs.replace(
        card,
        precision=choice.precision,
        precision_why=choice.why,
        temperature=cooling,
        second_pass_margin=passes.margin,
        second_pass_share=passes.share,
        operating_points=points,
    )
    card = msgspec.structs.replace(card, call_images=call_size.choose(card, files[TFLITE]))
    return Served(card, files, passes.logits)


def check_agreement(first: Probabilities, second: Probabilities) -> None:
    """Check that two runtimes' predictions float32 [n, classes] for the same images agree.

    Raises:
        SetupError: a probability, or a label that is not a near tie, differs.
    """
    difference = float(np.abs(first - second).max())  # NaN if a runtime returns NaN
    top = np.sort(first, axis=1)
    clear = top[:, -1] - top[:, -2] >= MARGIN_TOLERANCE
    swapped = int((clear & (first.argmax(1) != second.argmax(1))).sum())
    if not difference < PROBABILITY_TOLERANCE or swapped:
        raise SetupError(
            f"LiteRT and TensorFlow disagree (probabilities by {difference:.1e}, "
            f"{swapped} labels); train the version again with another recipe, or import it with "
            "the --scale that it was trained with"
        )


def _spread(count: int, wanted: int) -> slice:
    """About `wanted` of `count`, evenly spread."""
    return slice(None, None, max(1, -(-count // wanted)))
