"""The requests to import an ONNX or TensorFlow Lite network as a version, to add an ONNX one whose
features heads learn from, and to list and remove such."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np

from shared import installation
from shared.errors import SetupError
from shared.installation import ONNX_PACKAGES
from shared.messages.model_card import IMPORTED, Scale
from shared.messages.replies import Tried, TriedForm
from shared.messages.requests import (
    IMAGENET,
    AddBackbone,
    ImportNetwork,
    ListBackbones,
    NetworkForm,
    Progress,
)
from shared.registry import own_backbones
from shared.registry.own_backbones import OwnBackbone
from shared.runtimes import LITERT, ONNX
from worker.backbones.backbone_table import BACKBONES
from worker.datasets.examples import Images, Labels
from worker.evaluation.calibration import log_loss, temperature
from worker.graphs.bounded_check import Checked, checked
from worker.graphs.facts import Described
from worker.requests import promotion
from worker.requests.context import EVALUATING, LOADING, PUBLISHING, Context, Reply
from worker.requests.evaluate import labelled
from worker.runtimes.array_archive import one_line
from worker.runtimes.imported_graph import SMALLEST, Converter, Network, are_probabilities
from worker.runtimes.runtime import Logits
from worker.train.learner import BuiltVersion, blank_card

UNKNOWN = "unknown"  #: the data set
NOTES = "Imported; not evaluated, and its confidence is not calibrated."
#: Images that are tried at most.
MOST_IMAGES = 500
COLOURS = 3
_SCALES: tuple[Scale, ...] = ("0-255", "0-1", "-1-1")


def import_network(context: Context, work: ImportNetwork) -> Reply:
    """A Trained, or with `data` a Tried.

    Raises:
        SetupError: the file is refused, or lacks what no option says; or a package is missing.
        RequestStopped: the request was cancelled or taken over.
    """
    if work.kind == "onnx" and (lack := installation.missing(ONNX_PACKAGES, "onnx")):
        raise installation.trainer_error(lack)
    context.stage(LOADING)
    if work.data:
        return try_forms(context, work, sent_file(context, work.sha256))
    card = promotion.published(context, work.name, lambda: _version(context, work))
    return promotion.trained(context, card, work.promote)


def sent_file(context: Context, sha256: str) -> bytes:
    """The bytes of the request. Raises SetupError: they are others, or missing."""
    file = context.input
    if file is None or hashlib.sha256(file).hexdigest() != sha256:
        raise SetupError("the file is not the one that was sent; import it again")
    return file


def _version(context: Context, work: ImportNetwork) -> BuiltVersion:
    file = sent_file(context, work.sha256)
    passed = checked(work.kind, file, work.form)
    network = passed.network
    card = blank_card(
        work.name,
        IMPORTED,
        network.labels,
        network.preprocessing,
        UNKNOWN,
        parameters=network.parameters,
        notes=NOTES,
        request=context.request.mark,
        output="logits",
        call_images=1,
        imported=network.imported,
    )
    if work.kind == "onnx":
        return BuiltVersion(card, {ONNX.artifact: file, ONNX.beside: passed.drawn})
    return BuiltVersion(card, {LITERT.artifact: file})


def add_backbone(context: Context, work: AddBackbone) -> Reply:
    """An OwnBackbone.

    Raises:
        SetupError: the file is refused, or lacks what no option says; the name is taken; or a
            package is missing.
        RequestStopped: the request was cancelled or taken over.
    """
    if lack := installation.missing(ONNX_PACKAGES, "onnx"):
        raise installation.trainer_error(lack)
    if work.name in BACKBONES:
        raise SetupError(f"{work.name} is part of Hangtag; give another --name")
    store, mark = context.registry.root, context.request.mark
    if known := own_backbones.of_request(store, work.name, mark):
        return Reply(known)
    context.stage(LOADING)
    file = sent_file(context, work.sha256)
    passed = checked("onnx", file, work.form, is_backbone=True, output=work.output)
    context.stage(PUBLISHING)
    network = passed.network
    backbone = OwnBackbone(
        name=work.name,
        size_pixels=network.preprocessing.width,
        features=passed.outputs,
        parameters=network.parameters,
        imported=network.imported,
        files={},
        added=datetime.now(UTC).isoformat(timespec="seconds"),
        request=mark,
    )
    files = {ONNX.artifact: file, ONNX.beside: passed.drawn}
    return Reply(own_backbones.add(store, backbone, files, context.confirm))


def list_backbones(context: Context, work: ListBackbones) -> Reply:
    """A Backbones, after the removal. Raises SetupError, RequestStopped."""
    if work.remove:
        context.confirm()
    return Reply(own_backbones.listing(context.registry.root, work.remove))


def try_forms(context: Context, work: ImportNetwork, file: bytes) -> Reply:
    """A Tried.

    Raises:
        SetupError: the file is refused, or the images are not available or have other labels.
        RequestStopped: the request was cancelled or taken over.
    """
    first = _checked_layout(work, file)
    images, labels = _labelled_images(context, work, first.network)
    network = _opened(work, file)
    forms = list(_forms(work.form, first.network, network.takes_uint8))
    results: list[TriedForm] = []
    for number, form in enumerate(forms):
        context.report(Progress(EVALUATING, step=number, steps=len(forms)))
        rows = _rows(first.network, form, network, images)
        results.append(_scored_form(first.network, form, rows, labels))
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


def _labelled_images(
    context: Context, work: ImportNetwork, network: Described
) -> tuple[Images, Labels]:
    """Some of the images, and their labels as numbers of the network's."""
    found = labelled(context, work.data, network.labels, network.preprocessing)
    parts = [part for part in (found.held, found.test) if part is not None and len(part.labels)]
    if not parts:
        raise SetupError(f"{found.report.name} has no images")
    labels = np.concatenate([part.labels for part in parts])
    chosen = np.linspace(0, len(labels) - 1, min(MOST_IMAGES, len(labels))).astype(int)
    ends = np.cumsum([0, *(len(part.labels) for part in parts)])
    images = np.stack(
        [parts[at].images[n - ends[at]]
         for n in chosen
         for at in [int(np.searchsorted(ends, n, side="right")) - 1]]
    )  # fmt: skip
    return images, labels[chosen]


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
            stated = "" if takes_uint8 else scale
            plain = msgspec.structs.replace(form, scale=stated, channels=order)
            yield plain
            if scale == "0-1" and channels == COLOURS and not (given.mean or given.std):
                yield msgspec.structs.replace(plain, mean=IMAGENET.mean, std=IMAGENET.std)


def _rows(network: Described, form: NetworkForm, opened: Network, images: Images) -> Logits:
    """The outputs for each image, float32 [n, classes]. Raises SetupError: it has none for one."""
    imported = msgspec.structs.replace(
        network.imported, scale=form.scale or "0-255", mean=form.mean, std=form.std,
        is_bgr=form.channels == "bgr",
    )  # fmt: skip
    converter = Converter(imported, opened.takes_uint8)
    try:
        return np.stack([opened.row(converter.values(image)) for image in images])
    except (ValueError, MemoryError) as error:
        raise SetupError(f"the network has no answer for an image ({one_line(error)})") from error


def _scored_form(network: Described, form: NetworkForm, rows: Logits, labels: Labels) -> TriedForm:
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
