"""The card of a model version: what it is, what it expects, how good it is."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.model_name import NAME


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a picture becomes the network's input.

    `letterbox`: scaled to fit, never cropped. `ground` fills what is left and stands behind
    transparent pixels, 0 to 255; `invert` negates the grey values afterwards.
    `garment`: a picture that has not the form of Fashion-MNIST's images is converted as those
    were made (arXiv:1708.07747, section 2).
    """

    height: int
    width: int
    channels: int  #: 1 grey, 3 RGB
    ground: int = 0
    invert: bool = False
    convert: Literal["letterbox", "garment"] = "letterbox"


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What nearly all training images keep to; a picture outside is marked in the table.

    Values of the network's input, 0 to 255, and shares of its pixels, 0 to 1.
    """

    border: int  #: highest median of the outermost pixels, and highest corner
    foreground: int  #: a pixel above this belongs to the object
    smallest: float  #: share of the pixels that belong to it
    largest: float


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
    """`card.json`. It arrives last and makes a version exist."""

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
    dataset: str  #: its name
    dataset_fingerprint: str  #: sha256 over the training images and labels
    code_version: str
    created: str  #: ISO 8601, UTC
    files: dict[str, str]  #: file name -> sha256, every file of the version but the card
    notes: str = ""
    gates: Gates | None = None  #: None: nothing is marked
    request: str = ""  #: mark of the request that made it: it is published once
    #: Where its data were when it was made, as in a request's `data`; empty where that is unknown.
    source: str = ""

    @property
    def ref(self) -> str:
        """`name@version`, as the table's `model` column has it."""
        return f"{self.name}@{self.version}"


def encode_card(card: Card) -> bytes:
    """The card as indented JSON, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def decode_card(data: bytes) -> Card:
    """The card in `data`.

    Raises:
        BadMessage: it is not a valid card.
    """
    try:
        card = msgspec.json.decode(data, type=Card)
    except MISFITS as error:
        raise BadMessage(f"not a model card: {error}") from error
    if not NAME.fullmatch(card.name) or card.version < 0 or not card.labels:
        raise BadMessage("not a model card: name, version or labels are out of range")
    return card


def card_sha256(card: Card) -> str:
    """What a job is pinned to: the card names the sha256 of every other file."""
    return hashlib.sha256(encode_card(card)).hexdigest()
