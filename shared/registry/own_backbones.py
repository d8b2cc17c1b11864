"""The backbones that people add: STORE/.backbones/NAME.json, with NAME.onnx and NAME.npy beside it.

The record is written last and makes a backbone exist. Versions have files of their own, so a
backbone can be removed while versions look with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from shared import atomic_file, file_lock, regular_file
from shared.errors import MISFITS, SetupError, no_such
from shared.ledger.request_store import replace
from shared.messages.model_card import ImportedNetwork
from shared.messages.model_name import NAME
from shared.registry.registry import REMEDY
from shared.runtimes import ONNX

FOLDER, RECORD = ".backbones", ".json"
#: The ends of the names of its files, by their names in a version.
ENDS = {ONNX.artifact: ".onnx", ONNX.beside: ".npy"}
LIST = "hangtag backbones list"


class OwnBackbone(msgspec.Struct, frozen=True):
    """The record of a network whose features heads learn from."""

    name: str
    size_pixels: int  #: of both sides of its images
    features: int
    parameters: int
    imported: ImportedNetwork
    files: dict[str, str]  #: name in a version -> sha256
    added: str  #: ISO 8601, UTC
    request: str = ""  #: `Request.mark` of its request, so that it is added once

    @property
    def sha256(self) -> str:
        """Of the network."""
        return self.files[ONNX.artifact]


class Backbones(msgspec.Struct, frozen=True):
    """All of a store."""

    added: tuple[OwnBackbone, ...]  #: sorted by name


def listing(store: Path, removed: str = "") -> Backbones:
    """All backbones, after the one with the name `removed` was removed.

    Raises:
        SetupError: there is none, a record is damaged, or the store cannot be written.
    """
    if removed:
        remove(store, removed)
    return Backbones(tuple(listed(store).values()))


def listed(store: Path) -> dict[str, OwnBackbone]:
    """The backbones of a store by name, sorted. Raises SetupError: a record is damaged."""
    return {name: _record(store, name) for name in names(store)}


def names(store: Path) -> list[str]:
    """The names of the backbones of a store, also of damaged records, sorted."""
    stems = (path.stem for path in (store / FOLDER).glob(f"*{RECORD}"))
    return sorted(filter(NAME.fullmatch, stems))


def add(
    store: Path,
    backbone: OwnBackbone,
    files: Mapping[str, bytes],
    confirm: Callable[[], None] = lambda: None,
) -> OwnBackbone:
    """Store a backbone with its files by their names in a version. The same request adds it once.

    `confirm` is called right before it exists; it may raise.

    Raises:
        SetupError: there is one with this name, or the store cannot be written.
    """
    with _locked(store) as folder:
        if known := of_request(store, backbone.name, backbone.request):
            return known
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        backbone = msgspec.structs.replace(backbone, files=hashes)
        for name, data in files.items():
            replace(folder / f"{backbone.name}{ENDS[name]}", data)
        confirm()
        replace(folder / f"{backbone.name}{RECORD}", msgspec.json.encode(backbone))
    return backbone


def of_request(store: Path, name: str, request: str) -> OwnBackbone | None:
    """The backbone that the request with this mark has added; None if there is none of this name.

    Raises:
        SetupError: another request has added it, or its record is damaged.
    """
    known = _record(store, name) if name in names(store) else None
    if known is not None and known.request != request:
        raise SetupError(
            f"there is a backbone {name}, added {known.added[:10]}; give another --name, "
            f"or remove it with: hangtag backbones rm {name}"
        )
    return known


def remove(store: Path, name: str) -> None:
    """Remove a backbone, whose record may be damaged, or the files that a removal or an adding has
    left that was killed. Raises SetupError: there is none, or the store cannot be written."""
    with _locked(store) as folder:
        paths = [folder / f"{name}{end}" for end in (RECORD, *ENDS.values())]
        if not NAME.fullmatch(name) or not any(path.exists() for path in paths):
            _check_exists(store, name)
        for path in paths:
            path.unlink(missing_ok=True)
        atomic_file.sync_folder(folder)


def find(store: Path, name: str) -> OwnBackbone:
    """The backbone with this name. Raises SetupError: there is none, or its record is damaged."""
    _check_exists(store, name)
    return _record(store, name)


def _check_exists(store: Path, name: str) -> None:
    if name not in (known := names(store)):
        raise SetupError(no_such("backbone", name, known, LIST))


def files(store: Path, backbone: OwnBackbone) -> dict[str, bytes]:
    """Its files by their names in a version, verified.

    Raises:
        SetupError: one is missing or damaged.
    """
    read = {}
    for name, sha256 in backbone.files.items():
        path = store / FOLDER / f"{backbone.name}{ENDS.get(name, '')}"
        file = regular_file.verified(path, sha256)
        if file is None:
            raise SetupError(
                f"{path} is missing or damaged; remove the backbone with: hangtag backbones rm "
                f"{backbone.name}, and add it again"
            )
        with file:
            read[name] = file.read()
    return read


def _record(store: Path, name: str) -> OwnBackbone:
    path = store / FOLDER / f"{name}{RECORD}"
    try:
        with regular_file.open_file(path) as file:
            record = msgspec.json.decode(file.read(), type=OwnBackbone)
        if record.name != name or not "".join((record.added, *record.files.values())).isprintable():
            raise ValueError("it is none of this name")
        return record
    except (OSError, ValueError, *MISFITS) as error:
        raise SetupError(
            f"{path} is damaged ({error}); remove the backbone with: hangtag backbones rm {name}, "
            "and add it again"
        ) from error


@contextmanager
def _locked(store: Path) -> Iterator[Path]:
    folder = store / FOLDER
    with atomic_file.writing(folder, REMEDY):
        atomic_file.make_folder(folder)
        with file_lock.locked(folder / ".lock"):
            yield folder
