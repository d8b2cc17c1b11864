"""The card of a model version: its origin, its input and its accuracy."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.model_name import NAME


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conversion of an image to the network's input.

    `letterbox`: scaled to fit, never cropped. `ground`, 0 to 255, fills the rest and transparent
    pixels; `invert` negates the grey values afterwards.
    `garment`: an image that does not look like Fashion-MNIST's is converted as those were
    (arXiv:1708.07747, section 2).
    """

    height: int
    width: int
    channels: int  #: 1 grey, 3 RGB
    ground: int = 0
    invert: bool = False
    convert: Literal["letterbox", "garment"] = "letterbox"


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The range of nearly all training images; images outside are flagged in the table.

    Values of the network's input, 0 to 255, and shares of its pixels, 0 to 1.
    """

    border: int  #: highest median of the outermost pixels, and highest corner
    foreground: int  #: a pixel above this belongs to the object
    smallest: float  #: smallest share of pixels that belong to the object
    largest: float  #: largest share


class Metrics(msgspec.Struct, frozen=True):
    """Figures of one version. Fractions between 0 and 1; losses in nats per image."""

    heldout_accuracy: float
    heldout_count: int
    heldout_loss: float
    heldout_ece: float
    test_accuracy: float | None = None
    test_count: int | None = None
    test_loss: float | None = None
    test_ece: float | None = None


class Card(msgspec.Struct, frozen=True):
    """`card.json`. It is written last and makes a version exist."""

    name: str
    version: int
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float
    metrics: Metrics
    recipe: str
    seed: int
    epochs: int
    parameters: int
    dataset: str  #: name of the data set
    dataset_fingerprint: str  #: sha256 over the training images and labels
    code_version: str
    created: str  #: ISO 8601, UTC
    files: dict[str, str]  #: file name -> sha256, every file of the version but the card
    notes: str = ""
    gates: Gates | None = None  #: None: no image is flagged
    request: str = ""  #: `Request.mark` of its request, so that it is published once
    #: Location of its data when it was made, as in a request's `data`; empty if unknown.
    source: str = ""

    @property
    def ref(self) -> str:
        """`name@version`, as in the table's column `model`."""
        return f"{self.name}@{self.version}"


def encode_card(card: Card) -> bytes:
    """The card as indented JSON, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def decode_card(data: bytes) -> Card:
    """The card in `data`.

    Raises:
        BadMessage: the card is invalid.
    """
    try:
        card = msgspec.json.decode(data, type=Card)
    except MISFITS as error:
        raise BadMessage(f"not a model card: {error}") from error
    if not NAME.fullmatch(card.name) or card.version < 0 or not card.labels:
        raise BadMessage("not a model card: name, version or labels are out of range")
    return card


def card_sha256(card: Card) -> str:
    """The hash that a job is pinned to: the card names the sha256 of every other file."""
    return hashlib.sha256(encode_card(card)).hexdigest()
