"""Requests to the owner of the store: training and all other work that only it can do.

A request is a record that is stored until it has an outcome. Its Celery message is a hint
`(request id,)` that may be lost or duplicated. The answer is JSON, with plots as separate files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias, TypeVar

import msgspec

from shared import recipes
from shared.errors import MISFITS, BadMessage, SetupError
from shared.installation import (
    DRAW_PACKAGES,
    ONNX_PACKAGES,
    TENSORFLOW_PACKAGES,
    WORKER_PACKAGES,
)
from shared.messages.model_card import Layout, Scale
from shared.messages.model_name import NAME
from shared.messages.training import FASHION_MNIST, Rule, Train

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Answer = TypeVar("Answer")
MARK_CHARS = 8  #: among requests of one id


def check_request_id(request_id: object) -> None:
    """Raises BadMessage for an invalid request id."""
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        raise BadMessage(f"not a request's id: {request_id!r:.80}")


class Evaluate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="evaluate"):
    """Measure a version on labelled images."""

    model: str  #: NAME[@VERSION|@ALIAS]
    data: str = ""  #: empty: the data that it was trained on
    max_unreadable: float = 0.05
    #: Whether to draw them, which needs Matplotlib.
    plots: bool = msgspec.field(default=False, name="pictures")
    corrections: str = ""  #: as in Train


class ShowData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="show-data"):
    """Describe a data set, with plots of its samples."""

    data: str = FASHION_MNIST
    index: int = 0  #: of the image that is plotted alone


class CheckDataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="check-data"):
    """Search class folders for wrong labels, near-duplicates and unusual images."""

    data: str
    max_unreadable: float = 0.5
    corrections: str = ""  #: as in Train
    backbone: str = ""  #: as in Train


class ComputeFeatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="features"):
    """Compute the features of all images of a folder, whatever its folders are called."""

    data: str
    backbone: str = ""  #: as in Train


class Promote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="promote"):
    """Point an alias at a version."""

    model: str  #: NAME@VERSION or NAME@ALIAS
    alias: str = "production"
    why: str = ""


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="rollback"):
    """Undo the last promotion of an alias."""

    name: str
    alias: str = "production"
    why: str = ""


class Remove(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="remove"):
    """Delete a version of a model, or the model with its aliases, if nothing needs it; with `keep`
    the versions that nothing needs."""

    name: str
    version: int | None = None  #: None: all
    keep: int | None = None  #: number of newest versions that stay in any case
    dry_run: bool = False
    in_use: dict[int, str] = {}  #: version -> why it stays, by jobs of the client's machine


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="import"):
    """Publish a Keras classifier that was trained elsewhere."""

    name: str
    labels: tuple[str, ...]
    sha256: str  #: of the `.keras` file, whose bytes are submitted with the request
    scale: Literal["0-255", "0-1", "-1-1"] = "0-255"  #: of the values that the network expects
    promote: Rule = "never"
    data: str = ""  #: labelled images to calibrate and evaluate it with
    precision: Literal["auto", "fp32", "int8"] = "auto"  #: of what workers load


class NetworkForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says of a network; an empty field is read from its file, or missing."""

    labels: tuple[str, ...] = ()  #: in the order of its outputs
    scale: Scale | Literal[""] = ""  #: of the values that it takes
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Layout | Literal[""] = ""
    channels: Literal["rgb", "bgr"] = "rgb"
    size: int = 0  #: of both sides of its images, in pixels
    output: Literal["", "logits", "probabilities"] = ""


#: What most networks of photos take: values of 0 to 1, normalized as those of ImageNet.
IMAGENET = NetworkForm(scale="0-1", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class ImportNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="import-network"):
    """Publish a classifier in an ONNX or TensorFlow Lite file."""

    name: str
    kind: Literal["onnx", "tflite"]
    sha256: str  #: of the file, whose bytes are submitted with the request
    form: NetworkForm = NetworkForm()
    promote: Rule = "never"
    #: Labelled images with which forms are tried; then nothing is published.
    data: str = ""


class AddBackbone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="add-backbone"):
    """Store a network in an ONNX file, whose features heads of photos learn from."""

    name: str
    sha256: str  #: of the file, whose bytes are submitted with the request
    form: NetworkForm = NetworkForm()  #: without labels
    output: str = ""  #: the name of the output with the features, if there are several


class ListBackbones(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="backbones"):
    """List the networks that people added, after one was removed."""

    remove: str = ""  #: its name; empty: none


class Calibrate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="calibrate"):
    """Publish a version of the same files, calibrated and measured on labelled images."""

    model: str  #: NAME[@VERSION|@ALIAS]
    data: str


Work: TypeAlias = (
    Train
    | Evaluate
    | ShowData
    | CheckDataset
    | ComputeFeatures
    | Promote
    | Rollback
    | Remove
    | Import
    | ImportNetwork
    | AddBackbone
    | ListBackbones
    | Calibrate
)


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request. The id is its idempotency key: it is answered once."""

    id: str
    work: Work
    who: str  #: user@host of the client, for the history
    created: float  #: seconds since 1970
    stack: str = ""  #: as by `runtime_paths.stack_id`; set where it is stored

    @property
    def mark(self) -> str:
        """Its id and a few characters that differ for a later request with the same id.

        Its versions and decisions carry this tag for good; its outcome expires sooner.
        """
        identity = f"{self.id} {self.created!r}".encode()  # without the work, which may get fields
        return f"{self.id}~{hashlib.sha256(identity).hexdigest()[:MARK_CHARS]}"

    def check(self) -> Request:
        """This request, if its fields are in range. Raises BadMessage."""
        name = getattr(self.work, "name", FASHION_MNIST)
        valid = {
            "id": REQUEST_ID.fullmatch(self.id),
            "name": NAME.fullmatch(name),
            "keep": (getattr(self.work, "keep", None) or 0) >= 0,
            "data": _is_place(self.work),
        }
        faults = [field for field, is_valid in valid.items() if not is_valid]
        if isinstance(self.work, Train):
            faults += self.work.faults()
        for field in faults[:1]:
            raise BadMessage(f"request {self.id!r:.40} has a field out of range: {field}")
        return self


class EndedEpoch(msgspec.Struct, frozen=True):
    """The figures of an epoch that has ended."""

    epoch: int  #: counted from 1
    loss: float
    accuracy: float
    heldout_accuracy: float


class Progress(msgspec.Struct, frozen=True):
    """The progress of the work. Numbers that do not apply yet are 0 or None."""

    stage: str  #: loading, training, exporting, evaluating, publishing, promoting
    epoch: int = 0  #: the current one, counted from 1
    epochs: int = 0
    step: int = 0
    steps: int = 0  #: in one epoch
    rate: float = 0.0  #: images per second
    loss: float | None = None
    accuracy: float | None = None
    heldout_accuracy: float | None = None  #: after the last full epoch
    left_s: float | None = None  #: of the training
    #: The last epochs that this trainer has finished: more than one may end between two polls.
    ended: tuple[EndedEpoch, ...] = ()
    fault: str = ""  #: what the work waits for, in one line that names the fix
    #: The part of a stage in progress: importing TensorFlow, converting a backbone. Its steps are
    #: its own, and the next attempt does not begin behind them.
    part: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a request."""

    ok: bool
    error: str = ""  #: one line that names the fix, if it failed
    usage: bool = False  #: the command line is at fault
    #: JSON, one of the structs of shared/messages/replies.py
    answer: msgspec.Raw = msgspec.Raw(b"null")
    files: tuple[str, ...] = ()  #: names of the plots

    def decode(self, kind: type[Answer]) -> Answer:
        """The answer. Raises SetupError if another version of Hangtag wrote it."""
        try:
            return msgspec.json.decode(self.answer, type=kind)
        except MISFITS as error:
            raise SetupError(
                f"the trainer's answer has another form ({error}); "
                "install the same Hangtag everywhere"
            ) from error


def _is_place(work: Work) -> bool:
    """Whether a trainer can locate its data; some work needs none."""
    data = getattr(work, "data", FASHION_MNIST)
    return (
        data == FASHION_MNIST
        or data.startswith("/")
        or (data == "" and isinstance(work, Evaluate | Import | ImportNetwork))
    )


def encode_request(request: Request) -> bytes:
    """The request as JSON, which is readable in Redis and in the store."""
    return msgspec.json.encode(request)


def decode_request(data: bytes) -> Request:
    """The request in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=Request).check()
    except MISFITS as error:
        raise BadMessage(f"not a request: {error}") from error


def needed_packages(work: Work) -> Mapping[str, str]:
    """Import name -> pip's name; none for work that changes versions alone."""
    match work:
        case Train(recipe=recipe, backbone=backbone) if recipes.is_for_photos(recipe):
            return WORKER_PACKAGES | DRAW_PACKAGES | _packages_of(backbone)
        case Train() | Import():
            return WORKER_PACKAGES | DRAW_PACKAGES | TENSORFLOW_PACKAGES
        case CheckDataset(backbone=backbone) | ComputeFeatures(backbone=backbone):
            return WORKER_PACKAGES | _packages_of(backbone)
        case ImportNetwork(kind="onnx") | AddBackbone():
            return WORKER_PACKAGES | ONNX_PACKAGES
        case ImportNetwork():
            return WORKER_PACKAGES
        case ShowData() | Calibrate() | Evaluate(plots=True):
            return WORKER_PACKAGES | DRAW_PACKAGES
    return {}


def _packages_of(backbone: str) -> dict[str, str]:
    """Those of a backbone's runtime, beside those of every worker."""
    return {} if recipes.ships(backbone) else ONNX_PACKAGES
