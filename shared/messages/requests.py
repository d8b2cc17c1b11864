"""Requests to the owner of the store: training and everything else that only it can do.

A request is a record that is kept until it is answered; the Celery message beside it is a hint
`(request id,)` that may be lost or doubled. The answer is JSON, with pictures beside it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal, TypeAlias, TypeVar

import msgspec

from shared.errors import MISFITS, BadMessage, SetupError
from shared.messages.model_name import NAME

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
Answer = TypeVar("Answer")
MARK_CHARS = 8  #: among requests of one id
PROMOTE = ("if-better", "always", "never")
FASHION_MNIST = "fashion-mnist"  #: as `data`; anything else is a folder where the trainer runs


def check_request_id(request_id: object) -> None:
    """Raises BadMessage for what cannot be a request's id."""
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        raise BadMessage(f"not a request's id: {request_id!r:.80}")


class Train(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="train"):
    """Train a version of `name` and publish it."""

    name: str
    recipe: str
    data: str = FASHION_MNIST
    epochs: int = 0  #: 0: as the recipe says
    seed: int = 1
    promote: Literal["if-better", "always", "never"] = "if-better"
    weighted: bool = False  #: every class counts the same, however many images it has
    max_unreadable: float = 0.05  #: a larger share of files that are no pictures is an error


class Evaluate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="evaluate"):
    """Measure a version on labelled images."""

    model: str  #: NAME[@VERSION|@ALIAS]
    data: str = ""  #: empty: what it was made from
    max_unreadable: float = 0.05
    pictures: bool = False  #: drawing them needs Matplotlib


class ShowData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="show-data"):
    """Describe a data set, with pictures of its samples."""

    data: str = FASHION_MNIST
    index: int = 0  #: of the single picture


class Promote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="promote"):
    """Let an alias stand for a version."""

    model: str  #: NAME@VERSION or NAME@ALIAS
    alias: str = "production"
    why: str = ""


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="rollback"):
    """Take the last promotion of an alias back."""

    name: str
    alias: str = "production"
    why: str = ""


class Prune(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="prune"):
    """Delete old versions of a model, never those that an alias or a job needs."""

    name: str
    keep: int  #: so many of the newest stay, whatever they are used for
    dry_run: bool = False
    in_use: tuple[int, ...] = ()  #: versions that jobs of the asking machine are pinned to


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="import"):
    """Publish a Keras classifier that somebody else trained."""

    name: str
    labels: tuple[str, ...]
    sha256: str  #: of the `.keras` file, whose bytes travel beside the request
    scale: Literal["0-255", "0-1", "-1-1"] = "0-255"  #: of the values that the network expects
    promote: Literal["if-better", "always", "never"] = "never"
    data: str = ""  #: labelled images to calibrate and evaluate it with


Work: TypeAlias = Train | Evaluate | ShowData | Promote | Rollback | Prune | Import


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request. With the same id it is the same request, and is answered once."""

    id: str
    work: Work
    who: str  #: user@host that asks, for the history
    created: float  #: seconds since 1970

    @property
    def mark(self) -> str:
        """Its id and a few letters that a later request of the same id does not share.

        What it publishes and decides bears this mark for good; an outcome is forgotten sooner.
        """
        # Not of the work: a later Hangtag may have more fields in the same request.
        told = f"{self.id} {self.created!r}".encode()
        return f"{self.id}~{hashlib.sha256(told).hexdigest()[:MARK_CHARS]}"

    def check(self) -> Request:
        """This request, if its fields are in range. Raises BadMessage."""
        name = getattr(self.work, "name", FASHION_MNIST)
        fits = {
            "id": REQUEST_ID.fullmatch(self.id),
            "name": NAME.fullmatch(name),
            "epochs": getattr(self.work, "epochs", 0) >= 0,
            "keep": getattr(self.work, "keep", 0) >= 0,
            "data": _is_place(self.work),
        }
        for field, does in fits.items():
            if not does:
                raise BadMessage(f"request {self.id!r:.40} has a field out of range: {field}")
        return self


class Progress(msgspec.Struct, frozen=True):
    """Where the work is. Numbers that do not apply yet are 0 or None."""

    stage: str  #: loading, training, calibrating, exporting, evaluating, publishing, promoting
    epoch: int = 0  #: that is under way, 1 is the first
    epochs: int = 0
    step: int = 0
    steps: int = 0  #: of one epoch
    rate: float = 0.0  #: images per second
    loss: float | None = None
    accuracy: float | None = None
    heldout_accuracy: float | None = None  #: after the last full epoch
    left_s: float | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How a request ended."""

    ok: bool
    error: str = ""  #: one line that names the cure, where it failed
    usage: bool = False  #: what was typed is at fault
    answer: msgspec.Raw = msgspec.Raw(
        b"null"
    )  #: JSON, one of the structs of shared/messages/replies.py
    files: tuple[str, ...] = ()  #: names of the pictures beside it

    def decode(self, kind: type[Answer]) -> Answer:
        """The answer. Raises SetupError if another version of Hangtag gave it."""
        try:
            return msgspec.json.decode(self.answer, type=kind)
        except MISFITS as error:
            raise SetupError(
                f"the trainer's answer has another form ({error}); "
                "install the same Hangtag everywhere"
            ) from error


def _is_place(work: Work) -> bool:
    """Whether its data are named as a trainer finds them; some work needs no name."""
    data = getattr(work, "data", FASHION_MNIST)
    return (
        data == FASHION_MNIST
        or data.startswith("/")
        or (data == "" and isinstance(work, Evaluate | Import))
    )


def encode_request(request: Request) -> bytes:
    """JSON, so that a person can read it in Redis and in the store."""
    return msgspec.json.encode(request)


def decode_request(data: bytes) -> Request:
    """The request in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=Request).check()
    except MISFITS as error:
        raise BadMessage(f"not a request: {error}") from error
