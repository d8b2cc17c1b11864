"""The request to import a network in an ONNX or TensorFlow Lite file as a version."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime

import msgspec

from shared import installation
from shared.errors import SetupError
from shared.installation import ONNX_PACKAGES
from shared.messages.model_card import IMPORTED, Card, Metrics, Preprocessing
from shared.messages.replies import Trained
from shared.messages.requests import ImportNetwork
from shared.registry import staging
from shared.registry.mirror_writer import refresh
from shared.runtimes import LITERT, ONNX
from worker.handlers import promotion, try_forms
from worker.handlers.context import LOADING, PUBLISHING, Context, Reply
from worker.imports.bounded_check import Checked, checked

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
    card = staging.published(context.registry, work.name, context.request.mark)
    if card is None:
        file = sent_file(context, work.sha256)
        passed = checked(work.kind, file, work.form)
        context.stage(PUBLISHING)
        new, files = version(context, work, file, passed)
        card = context.registry.publish(new, files, who=context.who, confirm=context.confirm)
    decided = promotion.settle(context, card, work.promote, lambda spec: None)
    refresh(context.client, context.registry)
    return Reply(Trained(card.ref, card.metrics, decided, time.time() - context.started))


def sent_file(context: Context, sha256: str) -> bytes:
    """The bytes of the request. Raises SetupError: they are others, or missing."""
    file = context.input
    if file is None or hashlib.sha256(file).hexdigest() != sha256:
        raise SetupError("the file is not the one that was sent; import it again")
    return file


def version(
    context: Context, work: ImportNetwork, file: bytes, passed: Checked
) -> tuple[Card, dict[str, bytes]]:
    """The card and the files of a network that passed its check."""
    network = passed.network
    card = new_card(context, work.name, network.labels, network.preprocessing, network.parameters)
    card = msgspec.structs.replace(card, output="logits", call_images=1, imported=network.imported)
    if work.kind == "onnx":
        return card, {ONNX.artifact: file, ONNX.beside: passed.drawn}
    return card, {LITERT.artifact: file}


def new_card(
    context: Context, name: str, labels: tuple[str, ...], spec: Preprocessing, parameters: int
) -> Card:
    """The card of a network of another tool, which was not measured."""
    return Card(
        name=name,
        version=0,
        labels=labels,
        preprocessing=spec,
        temperature=1.0,
        metrics=Metrics(0.0, 0, 0.0, 0.0),
        recipe=IMPORTED,
        seed=0,
        epochs=0,
        parameters=parameters,
        dataset=UNKNOWN,
        dataset_fingerprint="",
        code_version=installation.version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={},
        notes=NOTES,
        request=context.request.mark,
    )
