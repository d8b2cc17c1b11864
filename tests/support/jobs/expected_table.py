"""The expected table: a plain loop over the same files, without queue, journal or workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shared import runtimes
from shared.image_status import Status
from shared.messages.batch import BatchResult
from shared.messages.model_card import Card
from shared.registry import packaged as pretrained
from shared.registry.registry import Registry
from tests.support.jobs.frozen_table import FrozenTable
from worker.classify import outliers
from worker.classify.classify_batch import classified
from worker.classify.outliers import OutlierDetector
from worker.classify.process_state import LoadedModel
from worker.runtimes import load_runtime
from worker.runtimes.load_runtime import load
from worker.runtimes.runtime import Classifier

#: Different from the sizes of messages and graph calls, which must not change a bit.
_CHUNK_IMAGES = 100


class Version(NamedTuple):
    """A version, its file for the runtime in question, its detector, and files beside them."""

    card: Card
    artifact: bytes
    detector: OutlierDetector | None = None
    beside: tuple[bytes, ...] = ()
    kind: str = ""  #: of the runtime, where it is not the job's

    def load(self, runtime: str) -> Classifier:
        """The version in memory, for a job with this runtime."""
        return load(self.kind or runtime, self.card, self.artifact, self.beside)


def packaged(runtime: str) -> Version:
    """The packaged version."""
    return Version(pretrained.card(), pretrained.read(runtimes.find(runtime).artifact))


def published(registry: Registry, card: Card, runtime: str = "litert") -> Version:
    """A version of a store."""
    detector = None
    if outliers.FILE in card.files:
        data = registry.read(card, outliers.FILE)
        detector = outliers.decode(data, card.features)
    files = load_runtime.fetch(card, partial(registry.read, card), runtime)
    return Version(card, files.artifact, detector, files.beside, files.runtime)


def table(
    cwd: Path,
    paths: Sequence[str],
    runtime: str = "litert",
    top: int = 1,
    probabilities: bool = False,
    version: Version | None = None,
    files: Sequence[bytes | Status] = (),
) -> bytes:
    """The CSV of these files, whose paths are relative to `cwd`, by the packaged version. `files`
    are what they contained, where a test may have changed them since."""
    version = version or packaged(runtime)
    card = version.card
    writer = FrozenTable(card, top, probabilities)
    rows = [writer.header]
    k = len(card.labels) if probabilities else top
    for start, result in answers(cwd, paths, runtime, k, version, files):
        names = [os.fsencode(path) for path in paths[start : start + len(result.statuses)]]
        rows += writer.rows(names, result)
    return "".join(rows).encode()


def answers(
    cwd: Path,
    paths: Sequence[str],
    runtime: str,
    k: int,
    version: Version,
    contents: Sequence[bytes | Status] = (),
) -> list[tuple[int, BatchResult]]:
    """(number of the first file, the k best labels of some files), in order."""
    model = version.load(runtime)
    results = []
    for start in range(0, len(paths), _CHUNK_IMAGES):
        end = start + _CHUNK_IMAGES
        files = contents[start:end] or [(cwd / path).read_bytes() for path in paths[start:end]]
        results.append((start, result(files, k, version, model)))
    return results


def result(
    files: Sequence[bytes | Status], k: int, version: Version, model: Classifier
) -> BatchResult:
    """The k best labels of these files, by the loaded version."""
    return classified(LoadedModel(version.card, model, version.detector), files, k)
