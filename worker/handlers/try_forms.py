"""Tries a network on labelled images: which form of its input and output is right most often."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import Scale
from shared.messages.replies import Tried, TriedForm
from shared.messages.requests import IMAGENET, ImportNetwork, NetworkForm, Progress
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import Images, Labels
from worker.evaluation.calibration import log_loss, temperature
from worker.handlers.context import EVALUATING, LOADING, Context, Reply
from worker.handlers.evaluate import mapped
from worker.imports.bounded_check import Checked, checked
from worker.imports.facts import Described
from worker.runtimes.imported_graph import SMALLEST, Converter, Network, are_probabilities
from worker.runtimes.runtime import Logits

#: Images that are tried at most.
MOST_IMAGES = 500
COLOURS = 3
_SCALES: tuple[Scale, ...] = ("0-255", "0-1", "-1-1")


def tried(context: Context, work: ImportNetwork, file: bytes) -> Reply:
    """A Tried.

    Raises:
        SetupError: the file is refused, or the images are not available or have other labels.
        RequestStopped: the request was cancelled or taken over.
    """
    first = _checked_layout(work, file)
    images, labels = _labelled(context, work, first.network)
    network = _opened(work, file)
    forms = list(_forms(work.form, first.network, network.takes_uint8))
    results: list[TriedForm] = []
    for number, form in enumerate(forms):
        context.report(Progress(EVALUATING, step=number, steps=len(forms)))
        rows = _rows(first.network, form, network, images)
        results.append(_scored(first.network, form, rows, labels))
    best = sorted(results, key=lambda one: (-one.accuracy, one.loss))
    return Reply(Tried(len(images), tuple(best)))


def _checked_layout(work: ImportNetwork, file: bytes) -> Checked:
    """The network in any form with which it can run."""
    form = work.form
    scale = form.scale
    try:
        return checked(work.kind, file, form)
    except SetupError as error:
        if scale or "--scale" not in str(error):
            raise
    return checked(work.kind, file, msgspec.structs.replace(form, scale="0-1"))


def _labelled(context: Context, work: ImportNetwork, network: Described) -> tuple[Images, Labels]:
    """Some of the images, and their labels as numbers of the network's."""
    context.stage(LOADING)
    data, _ = load.load(
        LabelledData(work.data), None, network.preprocessing, context.folder,
        unlearned=True, on_progress=context.loading,
    )  # fmt: skip
    parts = [part for part in (data.heldout, data.test) if part is not None and len(part.labels)]
    if not parts:
        raise SetupError(f"{data.name} has no images")
    labels = np.concatenate([part.labels for part in parts])
    chosen = np.linspace(0, len(labels) - 1, min(MOST_IMAGES, len(labels))).astype(int)
    ends = np.cumsum([0, *(len(part.labels) for part in parts)])
    images = np.stack(
        [parts[at].images[n - ends[at]]
         for n in chosen
         for at in [int(np.searchsorted(ends, n, side="right")) - 1]]
    )  # fmt: skip
    return images, mapped(labels, data.labels, network.labels)[chosen]


def _opened(work: ImportNetwork, file: bytes) -> Network:
    """The network, whose bytes have passed their check."""
    try:
        if work.kind == "onnx":
            from worker.runtimes.onnx_runtime import OnnxNetwork

            return OnnxNetwork(file, is_exact=True)
        from worker.runtimes.tflite_network import TfliteNetwork

        return TfliteNetwork(file)
    except ValueError as error:
        raise SetupError(f"the file is refused: {error}") from error


def _forms(given: NetworkForm, network: Described, takes_uint8: bool) -> Iterator[NetworkForm]:
    """The forms of the input that are not given, nor said by the file."""
    imported, channels = network.imported, network.preprocessing.channels
    form = NetworkForm(given.labels, mean=given.mean, std=given.std, layout=given.layout,
                       size=given.size)  # fmt: skip
    is_known = given.scale or network.says_scale
    known: tuple[Scale, ...] = (imported.scale,) if is_known else _SCALES
    for order in ("rgb", "bgr") if channels == COLOURS else ("rgb",):
        for scale in known:
            said = "" if takes_uint8 else scale
            plain = msgspec.structs.replace(form, scale=said, channels=order)
            yield plain
            if scale == "0-1" and channels == COLOURS and not (given.mean or given.std):
                yield msgspec.structs.replace(plain, mean=IMAGENET.mean, std=IMAGENET.std)


def _rows(network: Described, form: NetworkForm, opened: Network, images: Images) -> Logits:
    """The outputs for each image, float32 [n, classes]."""
    imported = msgspec.structs.replace(
        network.imported, scale=form.scale or "0-255", mean=form.mean, std=form.std,
        is_bgr=form.channels == "bgr",
    )  # fmt: skip
    converter = Converter(imported, opened.takes_uint8)
    return np.stack([opened.row(converter.values(image)) for image in images])


def _scored(network: Described, form: NetworkForm, rows: Logits, labels: Labels) -> TriedForm:
    """With the output that the rows are, if the file does not say it: those of a softmax add up
    to 1 for every image."""
    with np.errstate(all="ignore"):
        is_softmax = network.says_softmax or are_probabilities(rows)
        logits = np.log(np.maximum(rows, SMALLEST)) if is_softmax else rows
        # Values of a wrong scale can make every answer surer, also the right ones.
        loss = log_loss(logits / temperature(logits, labels), labels)
        right = float((rows.argmax(1) == labels).mean())
    if is_softmax and not network.says_softmax:
        form = msgspec.structs.replace(form, output="probabilities")
    return TriedForm(form, right, loss)
