"""The requests to add a network whose features heads learn from, to list and to remove some."""

from __future__ import annotations

from datetime import UTC, datetime

from shared import installation
from shared.errors import SetupError
from shared.installation import ONNX_PACKAGES
from shared.messages.requests import AddBackbone, ListBackbones
from shared.registry import own_backbones
from shared.registry.own_backbones import OwnBackbone
from shared.runtimes import ONNX
from worker.backbones.backbone_table import BACKBONES
from worker.handlers.context import LOADING, PUBLISHING, Context, Reply
from worker.handlers.import_network import sent_file
from worker.imports.bounded_check import checked


def add(context: Context, work: AddBackbone) -> Reply:
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


def list_(context: Context, work: ListBackbones) -> Reply:
    """A Backbones, after the removal. Raises SetupError, RequestStopped."""
    if work.remove:
        context.confirm()
    return Reply(own_backbones.listing(context.registry.root, work.remove))
