"""The card of a model version: its origin, its input and its accuracy."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Literal

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.model_name import NAME
from shared.options import defaults_of
from shared.runtimes import PHOTO, RuntimeKind

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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


class PixelBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class PrecisionTrial(msgspec.Struct, frozen=True, omit_defaults=True):
    """The comparison of both precisions on held-out images, each with its second pass."""

    count: int  #: images
    fp32_accuracy: float
    int8_accuracy: float
    fp32_loss: float  #: nats per image, each with its own temperature
    int8_loss: float
    differ: float  #: share of the images whose labels differ
    error: float  #: standard error of the paired difference of the accuracies
    loss_error: float = 0.0  #: standard error of the paired difference of the losses


class OperatingPoint(msgspec.Struct, frozen=True):
    """The confidence from which predictions are right as often as `precision` requires.

    From the held-out images: the lower Wilson bound of the precision above a threshold.
    """

    precision: float
    threshold: float | None  #: for all labels together; None: no prediction is accepted
    accepted: float  #: share of the held-out images that the thresholds of the labels accept
    reached: float  #: precision of those
    #: By label; None: no prediction of this label is accepted.
    thresholds: tuple[float | None, ...]


class Pretrained(msgspec.Struct, frozen=True):
    """The pretrained network that a version of 0.2.0 contains."""

    name: str
    sha256: str  #: of the file of its weights
    package: str  #: that the file comes in
    licence: str
    source: str


class Look(msgspec.Struct, frozen=True):
    """How a version of photos looks at an image: by a backbone, and a head of its own on it."""

    backbone: str  #: its name
    file: str  #: of the version, with the backbone
    size_pixels: int  #: of both sides of its input, RGB; an image of the card's size is resized
    licence: str = ""  #: of the backbone
    source: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether each field is in range."""
        return _FILE.fullmatch(self.file) is not None and self.size_pixels > 0


class Network(msgspec.Struct, frozen=True):
    """A version that 0.2.0 compared for one of several networks, and that may be a part of it.

    Figures are of the images that the version holds out. Where the network holds out some of these
    only, they are the version's figures with the differences on those.
    """

    version: int  #: of the same model
    recipe: str
    weight: float  #: in the version; 0: it is no part of it
    accuracy: float
    loss: float  #: nats per image
    images_per_s: float  #: as in Card


Scale = Literal["0-255", "0-1", "-1-1"]
#: Factor and offset of pixels of 0 to 255.
SCALES: dict[Scale, tuple[float, float]] = {
    "0-255": (1.0, 0.0), "0-1": (1 / 255, 0.0), "-1-1": (1 / 127.5, -1.0),
}  # fmt: skip
Layout = Literal["nhwc", "nchw"]


class ImportedNetwork(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a network that another tool made takes its pixels, and what it returns.

    A value of its input is the pixel in the range `scale`, minus the channel's `mean`, divided by
    its `std`. With `is_softmax` it returns probabilities, whose logarithms are its logits.
    """

    runtime: Literal["litert", "onnx"]
    scale: Scale
    mean: tuple[float, ...] = ()  #: of each channel, in the order of the input; empty: 0
    std: tuple[float, ...] = ()  #: empty: 1
    layout: Layout = "nhwc"
    is_bgr: bool = False
    is_softmax: bool = False
    output: str = ""  #: the name of the one that counts; empty: it has one

    @property
    def scales(self) -> list[tuple[float, float]]:
        """Factor and offset of the pixels of each channel; of one, if all have the same."""
        factor, offset = SCALES[self.scale]
        channels = range(max(len(self.mean), len(self.std), 1))
        means, stds = self.mean or (0.0,) * len(channels), self.std or (1.0,) * len(channels)
        return [(factor / stds[i], (offset - means[i]) / stds[i]) for i in channels]

    def fits(self, channels: int) -> bool:
        """Whether mean and standard deviation can be those of this number of channels."""
        counts = {len(self.mean), len(self.std)}
        finite = all(map(math.isfinite, (*self.mean, *self.std)))
        return counts <= {0, channels} and finite and all(value > 0 for value in self.std)


MAX_LOOKS = 2
#: The recipe of a version that was not trained here.
IMPORTED = "imported"


class RightOfOthers(msgspec.Struct, frozen=True):
    """What is right of the images of a folder that have no label, from some that chance drew."""

    drawn: int
    share: float
    low: float  #: of its 90 % range
    high: float


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
    #: None: no image is flagged for its pixels.
    pixel_bounds: PixelBounds | None = msgspec.field(default=None, name="gates")
    request: str = ""  #: `Request.mark` of its request, so that it is published once
    #: Location of its data when it was made, as in a request's `data`; empty if unknown.
    source: str = ""
    #: What the graph returns. Temperature, second pass and softmax follow only on logits.
    output: Literal["probabilities", "logits"] = "probabilities"
    precision: Literal["fp32", "int8"] = "fp32"  #: of `model.tflite`
    precision_why: str = ""  #: the reason for the precision, one sentence
    precision_trial: PrecisionTrial | None = None  #: None: only fp32 was exported
    call_images: int = 64  #: per call of `model.tflite`, for messages of any size
    #: An image whose two largest logits are closer than this is classified a second time, by the
    #: second look, otherwise mirrored; the logits are averaged. 0: never.
    second_pass_margin: float = 0.0
    second_pass_share: float = 0.0  #: of the held-out images
    operating_points: tuple[OperatingPoint, ...] = ()
    teachers: tuple[str, ...] = ()  #: that it was distilled from: `NAME@VERSION`, or `seed N`
    pretrained: Pretrained | None = None
    features: int = 0  #: length of the graph's second output; 0: it has none
    #: The number of parts of the data; each held-out answer is of a network that did not learn from
    #: one of them. 0: the version itself did not learn from the held-out images.
    folds: int = 0
    heldout_error: float = 0.0  #: standard error of the held-out accuracy; 0: not estimated
    #: Of a version of several networks, which 0.2.0 made: those that were compared for it. Its
    #: graph contains the networks with a weight, so it does not depend on their versions.
    networks: tuple[Network, ...] = ()
    #: How fast one core of the trainer decodes and classifies some of its photos; 0: not measured.
    images_per_s: float = 0.0
    memory_bytes: int = 0  #: of a version of 0.2.0, whose hash includes it
    #: Of a version that learned from a labels file; None: too few were drawn by chance.
    right_of_others: RightOfOthers | None = None
    #: The networks by which a version of photos looks, one or two. Features, flags and groups are
    #: of the first.
    looks: tuple[Look, ...] = ()
    #: Of a network in a file of another tool, which may be the backbone of the only look.
    #: None: the network takes uint8 [n, height, width, channels], and returns what `output` says.
    imported: ImportedNetwork | None = None

    @property
    def only_runtime(self) -> str:
        """The one that its files are for; empty if jobs choose."""
        if self.imported:
            return self.imported.runtime
        return PHOTO.name if self.looks else ""

    def files_for(self, runtime: RuntimeKind) -> list[str]:
        """The names of the files that a runtime loads of it, its artifact first."""
        of_photos = [*(look.file for look in self.looks), PHOTO.artifact] if self.looks else []
        names = [runtime.artifact, runtime.beside, *of_photos]
        return list(dict.fromkeys(filter(None, names)))

    @property
    def is_calibrated(self) -> bool:
        """Whether its confidence was fitted to held-out images."""
        return self.recipe != IMPORTED or self.metrics.heldout_count > 0

    @property
    def ref(self) -> str:
        """`name@version`, as in the table's column `model`."""
        return f"{self.name}@{self.version}"


#: Fields that cards did not have at first.
_LATER = {
    "output", "precision", "precision_why", "precision_trial", "call_images",
    "second_pass_margin", "second_pass_share", "operating_points", "teachers", "pretrained",
    "features", "folds", "heldout_error", "networks", "images_per_s", "memory_bytes",
    "right_of_others", "looks", "imported",
}  # fmt: skip


_DEFAULTS = defaults_of(Card)


def encode_card(card: Card) -> bytes:
    """The card as indented JSON, UTF-8. Later fields at their defaults are left out, so that a card
    without them has the same bytes as ever."""
    fields = {
        field: value
        for field, value in msgspec.to_builtins(card).items()
        if field not in _LATER or getattr(card, field) != _DEFAULTS[field]
    }
    return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"


def decode_card(data: bytes) -> Card:
    """The card in `data`.

    Raises:
        BadMessage: the card is invalid.
    """
    try:
        card = msgspec.json.decode(data, type=Card)
    except MISFITS as error:
        raise BadMessage(f"not a model card: {error}") from error
    valid = {
        "name": NAME.fullmatch(card.name),
        "version": card.version >= 0,
        "labels": card.labels,
        "call_images": card.call_images >= 1,
        "temperature": card.temperature > 0,
        "features": card.features >= 0,
        "looks": len(card.looks) <= MAX_LOOKS and all(look.is_valid for look in card.looks),
        "second_pass_margin": len(card.looks) != 1 or not card.second_pass_margin,
        "imported": card.imported is None or card.imported.fits(card.preprocessing.channels),
        "operating_points": all(
            len(point.thresholds) == len(card.labels) for point in card.operating_points
        ),
    }
    for field, is_valid in valid.items():
        if not is_valid:
            raise BadMessage(f"not a model card: {field} is out of range")
    return card


def card_sha256(card: Card) -> str:
    """The hash that a job is pinned to: the card names the sha256 of every other file."""
    return hashlib.sha256(encode_card(card)).hexdigest()
