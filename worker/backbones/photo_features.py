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
from shared.messages.model_card import Preprocessing
from worker.backbones.feature_cache import FeatureCache
from worker.datasets.decode_files import THREADS, Bad, prefetched, read_file
from worker.datasets.examples import Digests, Images, Labels
from worker.datasets.folder_layout import Item
from worker.datasets.split import Hashes, Parts, content_hashes
from worker.decoding.decode import decode
from worker.runtimes.feature_graph import FeatureGraph

Features = npt.NDArray[np.float32]  #: [n, features]

#: New images in one pack of the cache: what a trainer that is killed computes again, seconds.
PACK_IMAGES = 256
CONTENT_BYTES, NUMBER_BYTES = 8, 4


class LookFeatures(NamedTuple):
    """The features of images by one backbone."""

    features: Features
    mirrored: Features | None = None  #: of their mirror images, if these were computed

    def where(self, mask: npt.NDArray[np.bool_]) -> LookFeatures:
        """Those of the images selected by the mask bool [n]."""
        mirrored = None if self.mirrored is None else self.mirrored[mask]
        return LookFeatures(self.features[mask], mirrored)


class Look(NamedTuple):
    """A backbone, and where what it computes is kept."""

    backbone: bytes  #: its `.tflite` file
    caches: Sequence[FeatureCache]  #: of the images, and of their mirror images if these count


class PhotoFeatures(NamedTuple):
    """The readable images of a folder, [n], in the order of their paths."""

    paths: list[bytes]
    labels: Labels
    parts: Parts  #: that their folders say
    digests: Digests
    contents: Hashes  #: of the pixels
    looks: list[LookFeatures]

    @property
    def features(self) -> Features:
        """Those of the first look."""
        return self.looks[0].features

    @property
    def mirrored(self) -> Features | None:
        """Those of the first look at the mirror images."""
        return self.looks[0].mirrored

    def where(self, mask: npt.NDArray[np.bool_]) -> PhotoFeatures:
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
            [look.where(mask) for look in self.looks],
        )


def compute(
    items: Iterable[Item],
    spec: Preprocessing,
    looks: Sequence[Look],
    on_bad: Callable[[Bad], None],
    on_done: Callable[[int], None],
    gone: Sequence[tuple[bytes, Item]] = (),
) -> PhotoFeatures:
    """The features of the items that are images; only those that a cache lacks are decoded, once
    for all looks.

    `gone` are files that do not exist any more, by their digests, whose features every cache has.
    `on_done` gets the number of files of each turn, and may raise to stop.

    Raises:
        OSError: a cache cannot be written.
    """
    graphs = _Graphs([look.backbone for look in looks])
    caches = [cache for look in looks for cache in look.caches]
    views = [_View(number, bool(of)) for number, look in enumerate(looks) for of in _each(look)]
    collected = _Collected(len(caches))
    new: list[dict[bytes, bytes]] = [{} for _ in caches]

    def store() -> None:
        for cache, rows in zip(caches, new, strict=True):
            cache.add(rows)
            rows.clear()

    def photo_of(item: Item) -> _Photo | Bad:
        return _of_file(item, spec, graphs, views, caches)

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
    return collected.columns(views, graphs.widths)


class _View(NamedTuple):
    """What the rows of a cache are of."""

    look: int  #: its number
    is_mirrored: bool


def _each(look: Look) -> range:
    return range(len(look.caches))


class _Photo(NamedTuple):
    """A file that is an image."""

    item: Item
    digest: bytes
    #: As in each cache: the hash of the pixels, and the features.
    rows: list[bytes]
    are_new: list[bool]


def _of_file(
    item: Item,
    spec: Preprocessing,
    graphs: _Graphs,
    views: Sequence[_View],
    caches: Sequence[FeatureCache],
) -> _Photo | Bad:
    """A file with its row for each cache. Only a file of which a cache has no row is decoded."""
    try:
        data = read_file(item.path)
        digest = hashlib.sha256(data).digest()
        known = [cache.get(digest) for cache in caches]
        images = _views(decode(data, spec)) if None in known else ()
    except ImageError as error:
        return Bad(item.path, error.status)
    rows = [
        graphs.row(images[view.is_mirrored], view.look) if row is None else row
        for view, row in zip(views, known, strict=True)
    ]
    return _Photo(item, digest, rows, [row is None for row in known])


def _views(image: Images) -> tuple[Images, Images]:
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

    def columns(self, views: Sequence[_View], widths: Sequence[int]) -> PhotoFeatures:
        of_looks: list[list[Features]] = [[] for _ in widths]
        for view, packed in zip(views, self._views, strict=True):
            features = np.frombuffer(packed, "<f4").reshape(-1, widths[view.look])
            of_looks[view.look].append(features)
        return PhotoFeatures(
            self._paths,
            np.array(self._labels, np.int64),
            np.array(self._parts, np.int8),
            np.frombuffer(self._digests, np.uint8).reshape(-1, 32),
            np.frombuffer(self._contents, "<u8").astype(np.uint64),
            [LookFeatures(*features) for features in of_looks],
        )


class _Graphs:
    """The backbones as interpreters for each thread."""

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files
        self._of_thread = threading.local()
        self.widths = [graph.features for graph in self._graphs()]

    def row(self, image: Images, look: int) -> bytes:
        """The row of a cache for an image uint8 [H, W, 3]."""
        content = content_hashes(image[None]).astype("<u8").tobytes()
        return content + self._graphs()[look].run(image).astype("<f4").tobytes()

    def _graphs(self) -> list[FeatureGraph]:
        if not hasattr(self._of_thread, "graphs"):
            self._of_thread.graphs = [FeatureGraph(file) for file in self._files]
        graphs: list[FeatureGraph] = self._of_thread.graphs
        return graphs
