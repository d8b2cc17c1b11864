"""`hangtag models show`: the card of a version as text, and its plots."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from producer.present.formatting import counted, moment, one_line, percent, share, size
from producer.present.style import columns, columns_of, wrapped
from producer.table.output_path import PLOT_SUFFIX, check_plot, write_file
from producer.table.promise import sentence
from producer.versions.catalog import Catalog
from shared.errors import SetupError, UsageError
from shared.messages.model_card import Card, ImportedNetwork, Look, Metrics
from shared.registry.alias_log import AliasChange
from shared.registry.catalog import VersionDetails
from shared.registry.learned_lines import is_of_labels
from shared.registry.version_folder import check_filename

_FIGURES = ("", "images", "accuracy", "loss", "ECE")
_POINTS = ("precision", "confidence", "accepted", "reached", "accepts none of")
_FILES = ("file", "size", "sha256")
_HISTORY = ("when", "alias", "version", "action", "who", "why")
#: A prefix of a sha256 that distinguishes files.
_HASH_CHARS = 12
_INDENT = "  "


def lines(details: VersionDetails) -> Iterator[str]:
    """The version as lines of text."""
    card = details.card
    yield f"{card.ref}  {', '.join(details.aliases)}".rstrip()
    room = columns_of(sys.stdout)
    yield from (wrapped(f"{_INDENT}{name:<12} ", text, room) for name, text in facts(card))
    yield from _part("figures", columns(_FIGURES, figures(card.metrics), ("",)))
    if card.operating_points:
        points = columns(_POINTS, _operating_points(card), ("accepts none of",))
        of = "images without a label" if is_of_labels(card) else "the held-out images"
        yield from _part(f"operating points, on {of}", points)
    yield from _part("files", columns(_FILES, _files(details), ("file", "sha256")))
    if details.history:
        rows = [_decision(decision) for decision in details.history]
        yield from _part(
            f"aliases of {card.name}",
            columns(_HISTORY, rows, {*_HISTORY} - {"version"}),
        )


def write_plots(catalog: Catalog, card: Card, folder: Path, force: bool) -> list[Path]:
    """Write the plots of a version to a folder, which is created if missing.

    Raises:
        UsageError: the path is no folder, or has such a file with other content (unless `force`).
        SetupError: the version has no intact plots, or they cannot be written.
        BrokerAway: Redis is unreachable.
    """
    names = sorted(name for name in card.files if name.endswith(PLOT_SUFFIX))
    if not names:
        command = f"hangtag models evaluate {card.ref} --data DIR --pictures DIR"
        raise SetupError(f"{card.ref} has no plots; draw them with: {command}")
    for name in names:
        check_filename(name)  # the card may come from another machine
    return put(folder, {name: catalog.read(card, name) for name in names}, force)


def put(folder: Path, plots: dict[str, bytes], force: bool) -> list[Path]:
    """Write plots by their names, except those whose files have this content already."""
    paths = {folder / name: data for name, data in plots.items()}
    missing = {path: data for path, data in paths.items() if not _holds(path, data)}
    check_folder(folder, [path.name for path in missing], force)
    for path, data in missing.items():
        write_file(path, data)
    return list(paths)


def check_folder(folder: Path, names: Iterable[str], force: bool) -> None:
    """Create a folder for plots, in which none of these files exists (unless `force`).

    Raises:
        UsageError: a file exists, or the path is not a folder.
        SetupError: the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder} is not a folder; choose another") from None
    except OSError as error:
        raise SetupError(f"{folder}: {error.strerror}; choose another folder") from error
    for name in names:
        check_plot(folder / name, force)


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def facts(card: Card) -> Iterator[tuple[str, str]]:
    """Name and value of what the card says of a version's origin and input, as text."""
    yield "made", f"{moment(card.created)} by Hangtag {one_line(card.code_version)}"
    yield "recipe", f"{one_line(card.recipe)}, epochs {card.epochs}, seed {card.seed}"
    if card.teachers:
        yield "teachers", ", ".join(map(one_line, card.teachers))
    yield "parameters", f"{card.parameters:,}"
    data = f"{one_line(card.dataset)} {one_line(card.dataset_fingerprint[:_HASH_CHARS])}"
    yield "data", data.rstrip()
    yield "input", _preprocessing(card)
    for look in card.looks:
        sha256 = card.files.get(look.file, "")[:_HASH_CHARS]
        yield "backbone", f"{one_line(look.backbone)} {sha256}, {_licence(look)}"
    yield "graph", _graph(card)
    if card.output == "logits":
        yield "second look" if card.looks else "second pass", _second_pass(card)
    if card.is_calibrated:
        yield "temperature", f"{card.temperature:.4f}"
    else:
        command = f"hangtag models calibrate {card.ref} --data DIR"
        yield "confidence", f"not calibrated; calibrate it with: {command}"
    if card.images_per_s:
        yield "cost", f"{card.images_per_s:.0f} images/s and core, decoding included"
    yield "labels", f"{len(card.labels)}: {', '.join(map(one_line, card.labels))}"
    if card.right_of_others is not None:
        yield "others", sentence(card.right_of_others)
    if card.notes:
        yield "notes", one_line(card.notes)


def _preprocessing(card: Card) -> str:
    wanted = card.preprocessing
    kind = "grey" if wanted.channels == 1 else "RGB"
    inverted = ", inverted" if wanted.invert else ""
    size_text = f"{wanted.height} x {wanted.width} pixels, {kind}"
    converted = f"{size_text}, {wanted.convert}, ground {wanted.ground}{inverted}"
    return f"{converted}, {values(card.imported)}" if card.imported else converted


def values(imported: ImportedNetwork) -> str:
    """The values of the network's input."""
    parts = [f"values {imported.scale}"]
    parts += [f"minus {', '.join(f'{one:g}' for one in imported.mean)}"] if imported.mean else []
    parts += [f"by {', '.join(f'{one:g}' for one in imported.std)}"] if imported.std else []
    parts += [imported.layout, *(["BGR"] if imported.is_bgr else [])]
    return ", ".join(parts)


def _graph(card: Card) -> str:
    """Precision and call size, with the reason, which compares accuracies. That of an imported
    network is not known."""
    text = f"{counted(card.call_images, 'image')} at a time"
    if card.imported:
        return text
    text = f"{card.precision}, {text}"
    return f"{text} ({one_line(card.precision_why)})" if card.precision_why else text


def _licence(look: Look) -> str:
    return one_line(f"{look.licence or 'licence unknown'}, {look.source or 'source unknown'}")


def _second_pass(card: Card) -> str:
    if not card.second_pass_margin:
        return "never"
    how = one_line(card.looks[-1].backbone) if card.looks else "mirrored"
    if card.second_pass_share == 1:
        return f"{how}, for every image"
    return (
        f"{how}, if the two best labels are closer than {card.second_pass_margin:.2f} logits: "
        f"{percent(card.second_pass_share)} of the held-out images"
    )


def _operating_points(card: Card) -> list[tuple[str, ...]]:
    return [
        (
            percent(point.precision, 0),
            "-" if point.threshold is None else f"{point.threshold:.4f}",
            percent(point.accepted),
            percent(point.reached) if point.accepted else "-",
            ", ".join(
                one_line(label)
                for label, limit in zip(card.labels, point.thresholds, strict=True)
                if limit is None
            )
            or "-",
        )
        for point in card.operating_points
    ]


def figures(metrics: Metrics) -> list[tuple[str, ...]]:
    """Images measured, their number, accuracy, loss and calibration error, as text."""
    if not metrics.heldout_count:
        return [("not evaluated", "-", "-", "-", "-")]
    held = (metrics.heldout_accuracy, metrics.heldout_loss, metrics.heldout_ece)
    rows = [_measured("held-out", metrics.heldout_count, held)]
    if metrics.test_count:
        test = (metrics.test_accuracy, metrics.test_loss, metrics.test_ece)
        rows.append(_measured("test", metrics.test_count, test))
    return rows


def _measured(
    part: str, count: int, measured: tuple[float | None, float | None, float | None]
) -> tuple[str, ...]:
    accuracy, loss, ece = measured
    return part, f"{count:,}", percent(accuracy, 2), share(loss), percent(ece, 2)


def _files(details: VersionDetails) -> list[tuple[str, ...]]:
    return [
        (one_line(name), size(details.sizes.get(name)), one_line(sha256[:_HASH_CHARS]))
        for name, sha256 in sorted(details.card.files.items())
    ]


def _decision(change: AliasChange) -> tuple[str, ...]:
    when, alias, action = moment(change.when), one_line(change.alias), change.action
    return (
        when,
        alias,
        str(change.version),
        action,
        one_line(change.who) or "-",
        one_line(change.why) or "-",
    )


def _part(title: str, rows: list[str]) -> Iterator[str]:
    yield title
    yield from (f"{_INDENT}{row}" for row in rows)
