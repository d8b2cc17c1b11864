"""The features of a folder's images: decoded and computed once, on all cores.

Threads instead of processes: Pillow and LiteRT release the GIL while they work.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from worker.backbones.backbone_table import LoadedBackbone
from worker.backbones.feature_cache import FeatureCache
from worker.datasets.decode_files import THREADS, Bad, prefetched, read_file
from worker.datasets.examples import (
    DIGEST_BYTES,
    Digests,
    Hashes,
    Images,
    Labels,
    Parts,
    content_hashes,
)
from worker.datasets.folder_layout import Item
from worker.decoding.decode import decode
from worker.runtimes.tflite_network import BackboneGraph

Features = npt.NDArray[np.float32]  #: [n, features]

#: New images in one pack of the cache: what a trainer that is killed computes again, seconds.
PACK_IMAGES = 256
CONTENT_BYTES, NUMBER_BYTES = 8, 4


class View(NamedTuple):
    """What a backbone computes of each image, or of its mirror image, and where that is kept."""

    backbone: LoadedBackbone
    cache: FeatureCache
    is_mirrored: bool = False


class PhotoFeatures(NamedTuple):
    """The readable images of a folder, [n], in the order of their paths."""

    paths: list[bytes]
    labels: Labels
    parts: Parts  #: that their folders say
    digests: Digests
    contents: Hashes  #: of the pixels
    looks: list[Features]  #: by each backbone
    mirrored: Features | None = None  #: of the mirror images by the first, if they were computed

    @property
    def features(self) -> Features:
        """Those of the first look."""
        return self.looks[0]

    def selected(self, mask: npt.NDArray[np.bool_]) -> PhotoFeatures:
        """The images selected by the mask bool [n]; itself if these are all."""
        if mask.all():
            return self
        paths = [path for path, chosen in zip(self.paths, mask, strict=True) if chosen]
        return PhotoFeatures(
            paths,
            self.labels[mask],
            self.parts[mask],
            self.digests[mask],
            self.contents[mask],
            [features[mask] for features in self.looks],
            None if self.mirrored is None else self.mirrored[mask],
        )


def compute(
    items: Iterable[Item],
    spec: Preprocessing,
    views: Sequence[View],
    on_bad: Callable[[Bad], None],
    on_done: Callable[[int], None],
    gone: Sequence[tuple[bytes, Item]] = (),
) -> PhotoFeatures:
    """The features of the items that are images; only those that a cache lacks are decoded, once
    for all views. The first view is of the images as they are.

    `gone` are files that do not exist any more, by their digests, whose features every cache has.
    `on_done` gets the number of files of each turn, and may raise to stop.

    Raises:
        OSError: a cache cannot be written.
    """
    graphs = _Graphs([view.backbone for view in views])
    caches = [view.cache for view in views]
    collected = _Collected(len(caches))
    new: list[dict[bytes, bytes]] = [{} for _ in caches]

    def store() -> None:
        for cache, rows in zip(caches, new, strict=True):
            cache.add(rows)
            rows.clear()

    def photo_of(item: Item) -> _Photo | Bad:
        return _of_file(item, spec, graphs, views)

    for photo in prefetched(photo_of, items, THREADS):
        if isinstance(photo, Bad):
            on_bad(photo)
        else:
            collected.add(photo)
            for rows, row, is_new in zip(new, photo.rows, photo.are_new, strict=True):
                if is_new:
                    rows[photo.digest] = row
        if max(map(len, new)) >= PACK_IMAGES:
            store()
        on_done(1)
    store()
    for digest, item in gone:
        known = [cache.get(digest) for cache in caches]
        collected.add(_Photo(item, digest, [row for row in known if row is not None], []))
    for cache in caches:
        cache.mark_used()
    caches[0].trim()
    return collected.columns(views)


class _Photo(NamedTuple):
    """A file that is an image."""

    item: Item
    digest: bytes
    #: As in each cache: the hash of the pixels, and the features.
    rows: list[bytes]
    are_new: list[bool]


def _of_file(
    item: Item, spec: Preprocessing, graphs: _Graphs, views: Sequence[View]
) -> _Photo | Bad:
    """A file with its row for each view. Only a file of which a cache has no row is decoded."""
    try:
        data = read_file(item.path)
        digest = hashlib.sha256(data).digest()
        known = [view.cache.get(digest) for view in views]
        images = _both_sides(decode(data, spec)) if None in known else ()
        rows = [
            graphs.row(images[view.is_mirrored], view.backbone) if row is None else row
            for view, row in zip(views, known, strict=True)
        ]
    except ImageError as error:
        return Bad(item.path, error.status)
    return _Photo(item, digest, rows, [row is None for row in known])


def _both_sides(image: Images) -> tuple[Images, Images]:
    """The image and its mirror image."""
    return image, np.ascontiguousarray(image[:, ::-1])


def row_bytes(features: int) -> int:
    """The length of a row of the cache."""
    return CONTENT_BYTES + NUMBER_BYTES * features


class _Collected:
    """Columns that grow, without a second copy in memory."""

    def __init__(self, caches: int) -> None:
        self._paths: list[bytes] = []
        self._labels, self._parts = array("q"), array("b")
        self._digests, self._contents = bytearray(), bytearray()
        self._views = [bytearray() for _ in range(caches)]

    def add(self, photo: _Photo) -> None:
        self._paths.append(photo.item.path)
        self._labels.append(photo.item.label)
        self._parts.append(photo.item.part)
        self._digests += photo.digest
        self._contents += photo.rows[0][:CONTENT_BYTES]
        for view, row in zip(self._views, photo.rows, strict=True):
            view += row[CONTENT_BYTES:]

    def columns(self, views: Sequence[View]) -> PhotoFeatures:
        looks: list[Features] = []
        mirrored: Features | None = None
        for view, packed in zip(views, self._views, strict=True):
            features = np.frombuffer(packed, "<f4").reshape(-1, view.backbone.row.features)
            if view.is_mirrored:
                mirrored = features
            else:
                looks.append(features)
        return PhotoFeatures(
            self._paths,
            np.array(self._labels, np.int64),
            np.array(self._parts, np.int8),
            np.frombuffer(self._digests, np.uint8).reshape(-1, DIGEST_BYTES),
            np.frombuffer(self._contents, "<u8").astype(np.uint64),
            looks,
            mirrored,
        )


class _Graphs:
    """The backbones as interpreters for each thread."""

    def __init__(self, backbones: Sequence[LoadedBackbone]) -> None:
        self._backbones = {backbone.row.name: backbone for backbone in backbones}
        self._of_thread = threading.local()

    def row(self, image: Images, backbone: LoadedBackbone) -> bytes:
        """The row of a cache for an image uint8 [H, W, 3]. Raises ImageError: the network fails."""
        content = content_hashes(image[None]).astype("<u8").tobytes()
        features = self._graphs()[backbone.row.name].run(image).astype("<f4")
        if not np.isfinite(features).all():
            raise ImageError(Status.NO_ANSWER)
        return content + features.tobytes()

    def _graphs(self) -> dict[str, BackboneGraph]:
        if not hasattr(self._of_thread, "graphs"):
            self._of_thread.graphs = {
                name: backbone.graph() for name, backbone in self._backbones.items()
            }
        graphs: dict[str, BackboneGraph] = self._of_thread.graphs
        return graphs
