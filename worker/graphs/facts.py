"""What the file of a network says, and what becomes of it with what a person says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from shared.errors import SetupError
from shared.labels import network_labels
from shared.messages.model_card import ImportedNetwork, Layout, Preprocessing, Scale
from shared.messages.requests import NetworkForm

Kind = Literal["onnx", "tflite"]
#: An image of 4,096 pixels is far larger than any network takes.
MAX_SIDE_PIXELS = 4_096
_CHANNELS = (1, 3)
COLOURS = 3
_SCALE = "the range of its input's values (--scale 0-255, 0-1 or -1-1; --mean and --std if any)"
_LIKE = (
    "the range of its input's values (--like timm, torchvision or clip; or --scale 0-255, 0-1 or "
    "-1-1, and --mean and --std if any)"
)
_TRY = "give it, or try what fits labelled images with: --check FOLDER"


class Facts(NamedTuple):
    """What a file says; an empty field: it does not say that."""

    sides: tuple[int, ...]  #: of the input without the batch; 0: any
    takes_uint8: bool
    parameters: int
    labels: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)  #: height, width, where the input takes any
    scale: Scale | Literal[""] = ""
    is_softmax: bool = False  #: its last operator is one


class Described(msgspec.Struct, frozen=True):
    """A network with all that a version needs to know."""

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    imported: ImportedNetwork
    parameters: int
    says_scale: bool  #: the file, as `Facts.scale`
    says_softmax: bool  #: as `Facts.is_softmax`


def described(
    kind: Kind, facts: Facts, form: NetworkForm, *, is_backbone: bool = False, output: str = ""
) -> Described:
    """The network of a file, by what it says and what a person says; a backbone has no labels.

    Raises:
        SetupError: one line names what neither says, or where they differ.
    """
    layout = _layout(facts.sides, form)
    height, width, channels = _shape(facts, form, layout)
    labels = () if is_backbone else form.labels or facts.labels
    scale: Scale | Literal[""] = "0-255" if facts.takes_uint8 else facts.scale or form.scale
    lacking = [
        *([] if labels or is_backbone else ["the labels (--labels FILE, one per line)"]),
        *([] if height and width else ["the size of its images (--size PIXELS)"]),
        *([] if scale else [_LIKE if is_backbone else _SCALE]),
    ]
    if lacking or not scale:
        repair = "give it" if is_backbone else _TRY
        raise SetupError(f"the file does not say {', nor '.join(lacking)}; {repair}")
    if form.scale and form.scale != scale:
        options = "--like and --scale" if is_backbone else "--scale"
        raise SetupError(f"the file says that its values are {scale}; leave {options} out")
    if is_backbone:
        _check_photos(height, width, channels)
    elif why := network_labels.fault(labels):
        raise SetupError(f"{why}; give the labels with --labels FILE")
    if max(height, width) > MAX_SIDE_PIXELS:
        raise SetupError(f"images of {height}x{width} are too large; at most {MAX_SIDE_PIXELS}")
    if facts.takes_uint8 and (form.mean or form.std):
        raise SetupError("the network takes whole numbers; leave --mean and --std out")
    is_softmax = facts.is_softmax if not form.output else form.output == "probabilities"
    imported = ImportedNetwork(
        "onnx" if kind == "onnx" else "litert", scale, form.mean, form.std, layout,
        form.channels == "bgr", is_softmax, output,
    )  # fmt: skip
    if not imported.fits(channels):
        raise SetupError(
            f"--mean and --std need {channels} finite numbers each, the deviations above 0"
        )
    return Described(
        labels, Preprocessing(height, width, channels), imported, facts.parameters,
        says_scale=facts.takes_uint8 or bool(facts.scale), says_softmax=facts.is_softmax,
    )  # fmt: skip


def _layout(sides: Sequence[int], form: NetworkForm) -> Layout:
    if len(sides) != 3:
        raise SetupError(
            f"the network takes {_shown(sides)}, which is no image; import one that takes "
            "[n, 3, height, width] or [n, height, width, 3]"
        )
    found: list[Layout] = []
    if sides[2] in _CHANNELS:
        found.append("nhwc")
    if sides[0] in _CHANNELS:
        found.append("nchw")
    if form.layout:
        if form.layout not in found:
            raise SetupError(f"the network takes {_shown(sides)}, which is not {form.layout}")
        return form.layout
    if len(found) != 1:
        raise SetupError(
            f"the network takes {_shown(sides)}; give --layout nchw or --layout nhwc"
            if found
            else f"the network takes {_shown(sides)}; import one for images of 1 or 3 channels"
        )
    return found[0]


def _shape(facts: Facts, form: NetworkForm, layout: Layout) -> tuple[int, int, int]:
    """Height, width, channels; 0 where they are unknown."""
    first, second, third = facts.sides
    channels, sides = (first, (second, third)) if layout == "nchw" else (third, (first, second))
    height, width = (
        side or size or form.size for side, size in zip(sides, facts.size, strict=True)
    )
    if form.size and (height, width) != (form.size, form.size):
        raise SetupError(f"the file says that its images have {height}x{width}; leave --size out")
    return height, width, channels


def _check_photos(height: int, width: int, channels: int) -> None:
    if height != width or channels != COLOURS:
        raise SetupError(
            f"the network takes images of {height}x{width} in {channels} channels; add one that "
            "takes square images in colour"
        )


def bounded_product(sides: Sequence[int], most: int) -> bool:
    """Whether no side is negative, and all together have at most this many elements."""
    return all(side >= 0 for side in sides) and math.prod(side or 1 for side in sides) <= most


def _shown(sides: Sequence[int]) -> str:
    return "[" + ", ".join(["n", *("any" if not side else str(side) for side in sides)]) + "]"
