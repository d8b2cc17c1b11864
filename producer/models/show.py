"""`hangtag models show`: the card of a version for people, and its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from producer.models.catalog import Catalog
from producer.output import image_file
from producer.output.text import columns, moment, one_line, share, size
from shared.errors import SetupError, UsageError
from shared.messages.model_card import Card, Metrics
from shared.messages.model_name import ModelName
from shared.registry.alias_log import Decision
from shared.registry.version_folder import check_filename

_FIGURES = ("", "images", "accuracy", "loss", "ECE")
_FILES = ("file", "size", "sha256")
_HISTORY = ("when (UTC)", "alias", "version", "action", "who", "why")
#: So much of a sha256 tells files apart.
_HASH_CHARS = 12
_INDENT = "  "


class VersionDetails(msgspec.Struct, frozen=True):
    """One version, with all that is known of it."""

    card: Card
    sizes: dict[str, int]  #: bytes of its files, as far as they are known
    aliases: tuple[str, ...]  #: that stand for it
    history: tuple[Decision, ...]  #: of all aliases of the model, oldest first


def find(shelf: Catalog, wanted: ModelName) -> VersionDetails:
    """The version that a name stands for. Raises SetupError if there is none."""
    model, version = shelf.version(wanted)
    number = version.card.version
    aliases = sorted(alias for alias, stands in model.aliases.items() if stands == number)
    return VersionDetails(version.card, version.sizes, tuple(aliases), model.history)


def lines(shown: VersionDetails) -> Iterator[str]:
    """The version for a person."""
    card = shown.card
    yield f"{card.ref}  {', '.join(shown.aliases)}".rstrip()
    yield from (f"{_INDENT}{name:<12} {text}" for name, text in _facts(card))
    yield from _part("figures", columns(_FIGURES, _figures(card.metrics), ("",)))
    yield from _part("files", columns(_FILES, _files(shown), ("file", "sha256")))
    if shown.history:
        rows = [_decision(decision) for decision in shown.history]
        yield from _part(
            f"aliases of {card.name}",
            columns(_HISTORY, rows, {*_HISTORY} - {"version"}),
        )


def write_plots(shelf: Catalog, card: Card, folder: Path, force: bool) -> list[Path]:
    """Put the pictures of a version into a folder, which is made if need be.

    Raises:
        UsageError: a picture of the name is there, with other content (unless `force`).
        SetupError: the version has no pictures, they are gone, or the disk is full.
    """
    names = sorted(name for name in card.files if name.endswith(image_file.SUFFIX))
    if not names:
        how = f"hangtag models evaluate {card.ref} --data DIR --pictures DIR"
        raise SetupError(f"{card.ref} has no pictures; to have some drawn: {how}")
    for name in names:
        check_filename(name)  # the card may come from elsewhere
    return put(folder, {name: shelf.read(card, name) for name in names}, force)


def put(folder: Path, pictures: dict[str, bytes], force: bool) -> list[Path]:
    """Write pictures by their names; one that is there already as it should be stays."""
    paths = {folder / name: data for name, data in pictures.items()}
    missing = {path: data for path, data in paths.items() if not _holds(path, data)}
    check_folder(folder, [path.name for path in missing], force)
    for path, data in missing.items():
        image_file.write(path, data)
    return list(paths)


def check_folder(folder: Path, names: Iterable[str], force: bool) -> None:
    """Have a folder for pictures, in which none of these names is taken (unless `force`).

    Raises:
        UsageError: one is, or the folder is none.
        SetupError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder} is no folder; choose another") from None
    except OSError as error:
        raise SetupError(f"{folder}: {error.strerror}; choose another folder") from error
    for name in names:
        image_file.check(folder / name, force)


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    yield "made", f"{moment(card.created)} UTC by Hangtag {one_line(card.code_version)}"
    yield "recipe", f"{one_line(card.recipe)}, epochs {card.epochs}, seed {card.seed}"
    yield "parameters", f"{card.parameters:,}"
    data = f"{one_line(card.dataset)} {one_line(card.dataset_fingerprint[:_HASH_CHARS])}"
    yield "data", data.rstrip()
    yield "input", _preprocessing(card)
    yield "temperature", f"{card.temperature:.4f}"
    yield "labels", f"{len(card.labels)}: {', '.join(map(one_line, card.labels))}"
    if card.notes:
        yield "notes", one_line(card.notes)


def _preprocessing(card: Card) -> str:
    wanted = card.preprocessing
    kind = "grey" if wanted.channels == 1 else "RGB"
    inverted = ", inverted" if wanted.invert else ""
    size_text = f"{wanted.height} x {wanted.width} pixels, {kind}"
    return f"{size_text}, {wanted.convert}, ground {wanted.ground}{inverted}"


def _figures(metrics: Metrics) -> list[tuple[str, ...]]:
    if not metrics.heldout_count:
        return [("not evaluated", "-", "-", "-", "-")]
    held = (metrics.heldout_accuracy, metrics.heldout_loss, metrics.heldout_ece)
    rows = [("held-out", f"{metrics.heldout_count:,}", *map(share, held))]
    if metrics.test_count:
        test = (metrics.test_accuracy, metrics.test_loss, metrics.test_ece)
        rows.append(("test", f"{metrics.test_count:,}", *map(share, test)))
    return rows


def _files(shown: VersionDetails) -> list[tuple[str, ...]]:
    return [
        (one_line(name), size(shown.sizes.get(name)), one_line(sha256[:_HASH_CHARS]))
        for name, sha256 in sorted(shown.card.files.items())
    ]


def _decision(one: Decision) -> tuple[str, ...]:
    when, alias, action = moment(one.when), one_line(one.alias), one.action
    return when, alias, str(one.version), action, one_line(one.who) or "-", one_line(one.why) or "-"


def _part(title: str, rows: list[str]) -> Iterator[str]:
    yield title
    yield from (f"{_INDENT}{row}" for row in rows)
