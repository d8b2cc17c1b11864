"""The request to check a folder: every photo is answered by a head that did not learn from it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError
from shared.image_status import Flag, Status
from shared.messages import replies
from shared.messages.files import DIGEST_BYTES, NO_STAMP, Stamp, stamp
from shared.messages.model_card import Card, Metrics, encode_card
from shared.messages.replies import CheckedDataset, CheckedRows
from shared.messages.requests import CheckDataset, Progress
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.decode_files import read_file
from worker.datasets.examples import TEST
from worker.evaluation.metrics import score
from worker.evaluation.operating_points import operating_points
from worker.heads.fit_outlier_detector import fit_outlier_detector
from worker.heads.linear_head import Labels
from worker.heads.near_duplicates import Folds, Groups, fold_count, folds, groups
from worker.heads.out_of_fold import OutOfFold, fit_out_of_fold
from worker.heads.wrong_labels import WrongLabels, wrong_labels
from worker.requests.context import LOADING, Context, Reply
from worker.runtimes.runtime import Probabilities, probabilities
from worker.train import photo_folder
from worker.train.learner import blank_card
from worker.train.photo_folder import PhotoFolder, digest_numbers

RECIPE = "photo-head"
CHECKING = "checking"
MAX_LABELS = 5  #: of each row
#: As a version's name in the card of the check.
MODEL = "check"


def check(context: Context, work: CheckDataset) -> Reply:
    """A CheckedDataset, with the rows of all files as checked_dataset.FILE.

    Raises:
        SetupError: the folder cannot be used.
        RequestStopped: the request was cancelled or taken over.
    """
    backbone = backbone_table.load(work.backbone, context.registry.root)
    context.stage(LOADING)
    folder = photo_folder.load(
        LabelledData(work.data, context.corrections),
        [backbone],
        context.registry.root,
        work.max_unreadable,
        context.loading,
        to_train=False,
        on_part=context.loading_part,
    )
    context.stage(CHECKING)
    photos = all_photos(folder)

    def fold(done: int, total: int) -> None:
        context.report(Progress(CHECKING, step=done, steps=total))

    checked = answer_out_of_fold(photos, photos.labels, len(folder.labels), fold)
    context.report(Progress(CHECKING, part="searching images unlike all others"))
    odd = fit_outlier_detector(photos.features, backbone.row.part_widths, checked.folds).outliers
    rows = _rows(work, folder, photos, checked, odd)
    answer = CheckedDataset(folder.report, checked.out_of_fold.accuracy, checked.out_of_fold.error)
    return Reply(answer, {replies.ROWS_FILE: replies.encode_rows(rows)})


class Checked(NamedTuple):
    """The answers to photos, each by a head that did not learn from it, and what they say."""

    out_of_fold: OutOfFold
    folds: Folds
    alike: Groups
    answers: Probabilities
    wrong: WrongLabels


def answer_out_of_fold(
    photos: PhotoFeatures,
    labels: Labels,
    classes: int,
    on_fold: Callable[[int, int], None] = lambda done, total: None,
) -> Checked:
    """Answer all photos under these labels [n]; `on_fold` as in `fit_out_of_fold`."""
    alike = groups(photos.features, digest_numbers(photos))
    parts = folds(alike, digest_numbers(photos), labels, fold_count(len(labels)))
    fitted = fit_out_of_fold(photos.features, labels, classes, parts, alike, on_fold=on_fold)
    answers = probabilities(fitted.logits, 1.0)
    wrong = wrong_labels(fitted.logits, labels)
    return Checked(fitted, parts, alike, answers, wrong)


def all_photos(folder: PhotoFolder) -> PhotoFeatures:
    """The photos to learn from and those of test/."""
    learn, test = folder.learn, folder.test
    if test is None:
        return learn
    return PhotoFeatures(
        [*learn.paths, *test.paths],
        np.concatenate([learn.labels, test.labels]),
        np.concatenate([learn.parts, test.parts]),
        np.concatenate([learn.digests, test.digests]),
        np.concatenate([learn.contents, test.contents]),
        [np.concatenate([learn.features, test.features])],
    )


def _rows(
    work: CheckDataset,
    folder: PhotoFolder,
    photos: PhotoFeatures,
    checked: Checked,
    odd: npt.NDArray[np.bool_],
) -> CheckedRows:
    fitted, answers, bad = checked.out_of_fold, checked.answers, folder.unreadable
    k, count = min(MAX_LABELS, len(folder.labels)), len(photos.paths)
    paths = [*photos.paths, *(failure.path for failure in bad)]
    order = sorted(range(len(paths)), key=paths.__getitem__)
    read = [_file(paths[i]) for i in order]

    def ordered(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Of the photos [n, ...], and zeros of unreadable files, in the order of the rows."""
        blank = np.zeros((len(bad), *values.shape[1:]), values.dtype)
        return np.concatenate([values, blank])[order]

    best = np.argsort(-answers, axis=1, kind="stable")[:, :k]
    codes = [Status.OK.code] * count + [failure.status.code for failure in bad]
    return CheckedRows(
        root=os.fsencode(work.data),
        card=encode_card(_card(folder, fitted, answers, photos)),
        k=k,
        paths=[paths[i] for i in order],
        stamps=[stamp for stamp, _ in read],
        digests=b"".join(digest for _, digest in read),
        statuses=bytes(codes[i] for i in order),
        flags=ordered(odd * np.uint8(Flag.UNLIKE_TRAINING.code)).tobytes(),
        indices=ordered(best).astype("<u2").tobytes(),
        probabilities=ordered(np.take_along_axis(answers, best, 1)).astype("<f4").tobytes(),
        labels=ordered(photos.labels).tolist(),
        given=ordered(answers[np.arange(count), photos.labels]).tolist(),
        wrong=ordered(checked.wrong.probabilities).tolist(),
        in_test=ordered(photos.parts == TEST).tobytes(),
        like=_like(order, photos, checked.alike),
    )


def _like(order: Sequence[int], photos: PhotoFeatures, alike: Groups) -> list[int]:
    """The earlier row that each row is a copy or a near-duplicate of; -1: none."""
    first_of_group, first_of_copies = dict[int, int](), dict[bytes, int]()
    firsts = []
    for row, i in enumerate(order):
        if i >= len(photos.paths):  # unreadable
            firsts.append(-1)
            continue
        near = first_of_group.setdefault(int(alike[i]), row)
        same = first_of_copies.setdefault(photos.digests[i].tobytes(), row)
        firsts.append(same if same != row else near if near != row else -1)
    return firsts


def _card(
    folder: PhotoFolder, fitted: OutOfFold, answers: Probabilities, photos: PhotoFeatures
) -> Card:
    """The card of the heads that answered, which are no version."""
    measured = score(answers, photos.labels, folder.labels)
    return blank_card(
        MODEL,
        RECIPE,
        folder.labels,
        folder.preprocessing,
        folder.name,
        metrics=Metrics(measured.accuracy, measured.count, measured.loss, measured.ece),
        heldout_error=fitted.error,
        folds=fold_count(len(photos.labels)),
        operating_points=operating_points(answers, photos.labels),
        notes="Out of fold: each image is answered by a head that did not learn from it.",
    )


def _file(path: bytes) -> tuple[Stamp, bytes]:
    """The stamp of a file, and the CRC-32 of its bytes; blank if it cannot be read any more."""
    try:
        before = stamp(os.stat(path))
        return before, zlib.crc32(read_file(path)).to_bytes(DIGEST_BYTES, "little")
    except (OSError, ImageError):
        return NO_STAMP, bytes(DIGEST_BYTES)
