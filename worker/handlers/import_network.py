"""The requests to import a network in an ONNX or TensorFlow Lite file as a version, to add one
whose features heads learn from, and to list and remove such."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from shared import installation
from shared.errors import SetupError
from shared.installation import ONNX_PACKAGES
from shared.messages.model_card import IMPORTED
from shared.messages.requests import AddBackbone, ImportNetwork, ListBackbones
from shared.registry import own_backbones
from shared.registry.own_backbones import OwnBackbone
from shared.runtimes import LITERT, ONNX
from worker.backbones.backbone_table import BACKBONES
from worker.handlers import promotion, try_forms
from worker.handlers.context import LOADING, PUBLISHING, Context, Reply
from worker.imports.bounded_check import checked
from worker.learners.learner import BuiltVersion, blank_card

UNKNOWN = "unknown"  #: the data set
NOTES = "Imported; not evaluated, and its confidence is not calibrated."


def import_network(context: Context, work: ImportNetwork) -> Reply:
    """A Trained, or with `data` a Tried.

    Raises:
        SetupError: the file is refused, or lacks what no option says; or a package is missing.
        RequestStopped: the request was cancelled or taken over.
    """
    if work.kind == "onnx" and (lack := installation.missing(ONNX_PACKAGES, "onnx")):
        raise installation.of_trainer(lack)
    context.stage(LOADING)
    if work.data:
        return try_forms.tried(context, work, sent_file(context, work.sha256))
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
        raise installation.of_trainer(lack)
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
