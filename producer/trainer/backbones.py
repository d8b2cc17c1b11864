"""`hangtag backbones`: networks whose features heads learn from, in the trainer's store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from producer.present.events import Events
from producer.present.style import columns
from producer.trainer.client import make_request
from producer.trainer.import_model import MAX_ONNX_BYTES, read_file
from producer.trainer.show import values
from producer.trainer.submit import submit
from shared.messages import model_name
from shared.messages.requests import IMAGENET, AddBackbone, ListBackbones, NetworkForm
from shared.registry import own_backbones
from shared.registry.own_backbones import Backbones, OwnBackbone
from shared.settings import Settings
from shared.stop import Stop

#: The values that tools give the networks that they train, as a rule.
LIKE: Mapping[str, NetworkForm] = {
    "timm": IMAGENET,
    "torchvision": IMAGENET,
    "clip": NetworkForm(
        scale="0-1",
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    ),
}
_HEAD = ("name", "image", "features", "parameters", "added", "SHA-256", "values")
_HASH_CHARS = 12


def add(
    settings: Settings,
    file: Path,
    name: str,
    form: NetworkForm,
    output: str,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> OwnBackbone:
    """Have the trainer check the network in a file, and store it.

    Raises:
        UsageError: the name is invalid, or the file cannot be read or is too large.
        SetupError, Stopped: the network is refused; or as `submit`.
    """
    model_name.checked(name, option="--name", what="backbone")
    content = read_file(file, MAX_ONNX_BYTES)
    work = AddBackbone(name, hashlib.sha256(content).hexdigest(), form, output)
    outcome = submit(settings, make_request(work), input=content, events=events, stop=stop)
    return outcome.decode(OwnBackbone)


def listed(
    settings: Settings,
    remove: str = "",
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Backbones:
    """The backbones, after the one with the name `remove` was removed.

    Raises:
        SetupError: there is none, the store cannot be used; or as `submit`.
    """
    if settings.redis_url:
        request = make_request(ListBackbones(remove))
        return submit(settings, request, events=events, stop=stop).decode(Backbones)
    return own_backbones.listing(settings.store_path, remove)


def lines(backbones: Backbones) -> Iterator[str]:
    """A table, or what adds one."""
    if not backbones.added:
        yield "there is none; add one with: hangtag backbones add FILE.onnx --name NAME"
        return
    rows = [
        (
            row.name,
            f"{row.size_pixels} x {row.size_pixels}",
            f"{row.features:,}",
            f"{row.parameters:,}",
            row.added[:10],
            row.sha256[:_HASH_CHARS],
            values(row.imported),
        )
        for row in backbones.added
    ]
    yield from columns(_HEAD, rows, left={"name", "image", "added", "SHA-256", "values"})


def added_lines(added: OwnBackbone) -> list[str]:
    """What was added, and the command that uses it."""
    return [
        f"added {added.name}: {added.features:,} features of {added.size_pixels} x "
        f"{added.size_pixels} pixels, {values(added.imported)}",
        "whether these values are right shows only in the accuracy of what it trains",
        f"train with it: hangtag train DIR --backbone {added.name}",
    ]


def form_like(like: str | None, given: Mapping[str, object]) -> NetworkForm:
    """The form of a network like those of a tool, but for what was given."""
    typed = {name: value for name, value in given.items() if value}
    return msgspec.structs.replace(LIKE[like] if like else NetworkForm(), **typed)
