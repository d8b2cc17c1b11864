"""The first labels of unsorted images: which are alike, and what a labels file says of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from hangtag.arguments import checked_types
from hangtag.reporter import RequestProgress, request_reporter
from hangtag.running import run
from producer.people import alike, given_labels
from producer.people.alike import Group, SimilarImage
from producer.people.given_labels import LabelledImage
from producer.people.serving import user
from producer.present.events import Events
from shared.errors import UsageError
from shared.labels import labels_file
from shared.labels.label_line import ImageKind
from shared.labels.labels_so_far import Decided
from shared.settings import Settings
from shared.stop import Stop

_PathLike: TypeAlias = str | os.PathLike[str]
#: A page of a thousand labels cannot be used, nor can as many groups.
MAX_GROUPS = 1_000


@checked_types
def groups(
    folder: _PathLike,
    count: int | None = None,
    *,
    backbone: str = "",
    progress: RequestProgress | None = None,
    stop: Stop | None = None,
) -> list[Group]:
    """Groups of alike images, as the page of `hangtag label` shows them first.

    The trainer computes what it needs of each image, on all cores, and the store has it for the
    next call. The names of folders mean nothing. The same images make the same groups.

    Args:
        folder: A folder of unsorted images.
        count: The most groups, 1 to 1,000; None: 80, and fewer of less than 320 images.
        backbone: The network by whose features they are alike (`hangtag backbones`); empty: one
            that ships.
        progress: Called with each state of the work; None: the progress of the command in a
            notebook, elsewhere nothing; False: nothing.
        stop: Its `request()`, from any thread, ends the wait. The work goes on.

    Returns:
        The groups, the one with the most images first. Each image is in one group, with its
        near-duplicates (`Group.stacks`); `Group.paths` has all, and `len(group)` is their number.

    Raises:
        UsageError: it is not a folder, or the count is out of range.
        SetupError: there is no image, or the stack does not start.
        BrokerAway: Redis is unreachable.
        hangtag.HangtagError: `stop` ended the wait.
        KeyboardInterrupt: Ctrl-C; the work goes on, and the same call follows it.
    """
    wanted = 0 if count is None else _in_range("count", count, MAX_GROUPS)

    def work(events: Events, stop: Stop) -> list[Group]:
        place = os.fspath(folder)
        return alike.groups(Settings.from_env(), place, wanted, events, stop, backbone)

    return run(work, request_reporter(progress), stop or Stop(), "hangtag groups")


@checked_types
def similar(
    folder: _PathLike,
    image: _PathLike,
    count: int = 24,
    *,
    backbone: str = "",
    progress: RequestProgress | None = None,
    stop: Stop | None = None,
) -> list[SimilarImage]:
    """The images of a folder that are most like one of them, near-duplicates and copies first.

    Args:
        folder: A folder of images; all are described again if they have changed, as of `groups`.
        image: The path of one of them, or of a copy.
        count: The number of images, from 1.
        backbone, progress, stop: As of `groups`.

    Returns:
        Paths with their likeness, the most similar first, without the image itself. Likeness is 1
        for an equal image, and 0 from the distance on that two images of the folder have in the
        mean.

    Raises:
        UsageError: the folder has no such image, or the count is out of range.
        SetupError, BrokerAway, hangtag.HangtagError, KeyboardInterrupt: as `groups`.
    """
    _in_range("count", count, None)
    path = os.fsencode(image)

    def work(events: Events, stop: Stop) -> list[SimilarImage]:
        place = os.fspath(folder)
        return alike.similar(Settings.from_env(), place, path, count, events, stop, backbone)

    return run(work, request_reporter(progress), stop or Stop(), "hangtag similar")


@checked_types
def label(
    folder: _PathLike,
    labels: Mapping[str, str | None] | Mapping[Path, str | None],
    *,
    left_out: Iterable[_PathLike] = (),
    cannot_tell: Iterable[_PathLike] = (),
    file: _PathLike | None = None,
) -> dict[str, int]:
    """Label images of a folder, as a person does on the page of `hangtag label`: all of them are
    saved and synced when the call returns, or after an error none. No image changes.

    Args:
        folder: A folder of unsorted images.
        labels: The label of each image, by its path, which begins in the current folder. None: the
            image has no label any more. A label must be able to name a class folder, and differ
            from others in more than case. The content of the file gets it, wherever the file is
            later, and so do copies.
        left_out: Images to which no label applies. As those of `cannot_tell` they are not learned
            from; `classify` and `sort` treat them like all others.
        cannot_tell: Images that a person has seen and cannot name.
        file: The labels file; None: that of the folder, in the current one (`photos.labels.jsonl`
            of `photos/`).

    Returns:
        The number of images with each label in the file now, the label that was given first first.

    Raises:
        UsageError: a label cannot be used, a path is no image below the folder or is given twice,
            or another process has the labels file.
        SetupError: the file is damaged, or cannot be written.
    """
    given: dict[bytes, Decided | None] = {}
    for path, text in labels.items():
        given[os.fsencode(path)] = None if text is None else Decided("label", text)
    others: tuple[tuple[ImageKind, Iterable[_PathLike]], ...] = (
        ("left-out", left_out),
        ("cannot-tell", cannot_tell),
    )
    for kind, paths in others:
        for image in paths:
            if os.fsencode(image) in given:
                raise UsageError(f"{os.fspath(image)!r:.80} is given twice; give it once")
            given[os.fsencode(image)] = Decided(kind)
    return dict(given_labels.give(os.fspath(folder), given, _labels_file(folder, file), user()))


@checked_types
def rename_label(
    folder: _PathLike, before: str, after: str, *, file: _PathLike | None = None
) -> dict[str, int]:
    """Rename a label, as `+` does on the page. If `after` is a label, both become one.

    Args:
        folder, file: As of `label`.
        before: The label so far. Images that get it later keep it.
        after: The new name.

    Returns:
        As `label`.

    Raises:
        UsageError: no image has the label, the new one cannot be used, or another process has the
            labels file.
        SetupError: as `label`.
    """
    path = _labels_file(folder, file)
    return dict(given_labels.rename(path, before, after, user()))


@checked_types
def labels(folder: _PathLike, *, file: _PathLike | None = None) -> list[LabelledImage]:
    """What was decided about images of a folder, on the page or by `label`.

    Args:
        folder, file: As of `label`.

    Returns:
        Each image about which something holds, in the order of the first decision; none without
        the file. `kind` is `label`, `left-out` or `cannot-tell`.

    Raises:
        SetupError: the file is damaged, of a newer version, or cannot be read.
    """
    return given_labels.labelled(_labels_file(folder, file))


def _labels_file(folder: _PathLike, file: _PathLike | None) -> Path:
    return labels_file.default_path(os.fspath(folder)) if file is None else Path(file)


def _in_range(name: str, count: int, most: int | None) -> int:
    if count < 1 or (most is not None and count > most):
        limit = "from 1" if most is None else f"within 1 to {most:,}"
        raise UsageError(f"{name}={count!r:.80} is not {limit}")
    return count
