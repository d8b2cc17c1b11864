"""`hangtag models export`: a version as files that a script without Hangtag classifies with."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from producer.present.formatting import counted, size
from producer.present.style import next_commands
from producer.table.output_path import write_file
from producer.trainer.show import check_folder
from producer.versions.catalog import Catalog
from shared.errors import SetupError, UsageError
from shared.messages.files import printable
from shared.messages.model_card import Card
from shared.runtimes import DEFAULT, RUNTIMES

SCRIPT = "classify.py"
_SCRIPT = resources.files("producer.trainer") / "exported" / SCRIPT


class Exported(msgspec.Struct, frozen=True):
    """What was written, as `--json` displays it."""

    model: str
    folder: str
    files: dict[str, int]  #: bytes by name
    packages: tuple[str, ...]  #: that the script needs


def export(catalog: Catalog, card: Card, folder: Path, force: bool) -> Exported:
    """Write a version to a folder, which is created if missing.

    Raises:
        UsageError: a file of this name exists (unless `force`), or the path is not a folder.
        SetupError: a file of the version is missing or damaged, a label cannot be a line of a file,
            or the disk is full.
        BrokerAway: the configured broker is unreachable.
    """
    runtime = RUNTIMES[card.only_runtime or DEFAULT.name]
    names = [name for name in card.files_for(runtime) if name != runtime.beside]
    files = {
        **{name: catalog.read(card, name) for name in names},
        "labels.txt": _labels(card),
        "preprocessing.json": msgspec.json.format(msgspec.json.encode(specification(card))) + b"\n",
        SCRIPT: _SCRIPT.read_bytes(),
    }
    check_folder(folder, (), force)
    for path in (folder / name for name in files):
        if not force and (path.exists() or path.is_symlink()):
            raise UsageError(f"{printable(path)} exists; choose another folder, or add --force")
    for name, data in files.items():
        write_file(folder / name, data)
    sizes = {name: len(data) for name, data in files.items()}
    return Exported(card.ref, str(folder), sizes, ("pillow", "numpy", runtime.package))


def specification(card: Card) -> dict[str, Any]:
    """How the script turns an image into the probabilities of labels, as JSON displays it.

    A value of the network's input is the pixel, 0 to 255, times `factor` plus `offset`; an input in
    bytes takes the pixel. Each look has a file; with `head` it returns features. The second look
    counts where the best logits of the first are closer than `margin`.
    """
    imported = card.imported
    scales = imported.scales if imported else [(1.0, 0.0)]
    return msgspec.structs.asdict(card.preprocessing) | {
        "factor": [factor for factor, _ in scales],
        "offset": [offset for _, offset in scales],
        "layout": imported.layout if imported else "nhwc",
        "bgr": imported is not None and imported.is_bgr,
        "softmax": imported is not None and imported.is_softmax,
        "looks": _looks(card),
        "margin": card.second_pass_margin,
        "output": card.output,
        "temperature": card.temperature,
    }


def lines(exported: Exported, card: Card) -> list[str]:
    """The result of an export as lines of text."""
    folder = Path(exported.folder)
    files = counted(len(exported.files), "file")
    done = (
        f"{exported.model}: {files}, {size(sum(exported.files.values()))}, in {printable(folder)}"
    )
    script = shlex.quote(str(folder / SCRIPT))
    commands = [
        ("install", f"pip install {' '.join(exported.packages)}"),
        ("classify", f"python {script} PICTURE"),
    ]
    if card.preprocessing.convert == "garment":
        done += "; the script refuses photographs, which hangtag classify converts"
    return [done, *next_commands(commands)]


def _looks(card: Card) -> list[dict[str, Any]]:
    if card.looks:
        return [
            {**msgspec.structs.asdict(look), "head": number, "mirrored": False}
            for number, look in enumerate(card.looks, 1)
        ]
    file = RUNTIMES[card.only_runtime or DEFAULT.name].artifact
    return [{"file": file, "mirrored": mirrored} for mirrored in (False, True)]


def _labels(card: Card) -> bytes:
    """The labels in the order of the outputs, one per line."""
    for label in card.labels:
        if "\n" in label or "\r" in label:
            raise SetupError(f"the label {label!r:.80} has a line break; train with another name")
    return "".join(f"{label}\n" for label in card.labels).encode()
