"""The features of a folder's images: computed once for each content, whatever the threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.registry import packaged
from tests.support.images import class_folders, shapes
from worker.backbones import backbone_table, photo_features
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import Bad
from worker.datasets.examples import DIGEST_BYTES, content_hashes
from worker.datasets.folder_layout import ClassFolderWalk
from worker.decoding.decode import decode
from worker.runtimes.tflite_network import FeatureGraph
from worker.train import photo_folder

LITE0 = backbone_table.BACKBONES["efficientnet-lite0"]
FILE = packaged.backbone(LITE0.file, LITE0.sha256)
LOADED = backbone_table.shipped(LITE0)
SPEC = backbone_table.SPEC
COUNT = 7
ROW_BYTES = photo_features.row_bytes(LITE0.features)


class Scene:
    """A folder of photos, and a store."""

    def __init__(self, folder: Path) -> None:
        self.root, self._store = folder / "photos", folder / "store"
        for shape in shapes.CORNERS:
            shapes.write(self.root, shape, COUNT)
        self.bad: list[Bad] = []

    def compute(self, mirrored: bool = False) -> PhotoFeatures:
        sides = (False, True)[: 1 + mirrored]
        views = [photo_folder.view(LOADED, self._store, is_mirrored=side) for side in sides]
        walk = ClassFolderWalk(self.root)
        return photo_features.compute(
            walk.items(), SPEC, views, self.bad.append, lambda count: None
        )

    def stored(self) -> int:
        """The number of rows in the cache."""
        sizes = [pack.stat().st_size for pack in self._store.rglob("*.pack")]
        return sum(sizes) // (DIGEST_BYTES + 4 + ROW_BYTES)

    def pixels(self, found: PhotoFeatures) -> np.ndarray:
        return np.stack([decode(Path(path.decode()).read_bytes(), SPEC) for path in found.paths])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def _features(images: np.ndarray) -> np.ndarray:
    graph = FeatureGraph(FILE)
    return np.stack([graph.run(np.ascontiguousarray(image)) for image in images])


def test_they_are_those_of_the_network_in_the_order_of_the_walk(scene: Scene) -> None:
    found = scene.compute()
    assert found.paths == [item.path for item in ClassFolderWalk(scene.root).items()]
    assert found.labels.tolist() == sorted(found.labels)
    images = scene.pixels(found)
    np.testing.assert_array_equal(found.features, _features(images))
    np.testing.assert_array_equal(found.contents, content_hashes(images))


def test_a_second_time_nothing_is_computed_and_the_bits_are_the_same(scene: Scene) -> None:
    first = scene.compute()
    assert scene.stored() == len(first.paths)
    again = scene.compute()
    assert scene.stored() == len(first.paths)
    assert again.features.tobytes() == first.features.tobytes()
    assert again.contents.tobytes() == first.contents.tobytes()


def test_features_of_mirror_images_are_those_of_the_network_and_stored_beside_the_others(
    scene: Scene,
) -> None:
    plain = scene.compute()
    found = scene.compute(mirrored=True)
    assert scene.stored() == 2 * len(found.paths)
    assert plain.mirrored is None
    assert found.mirrored is not None
    assert found.features.tobytes() == plain.features.tobytes()
    np.testing.assert_array_equal(found.mirrored, _features(scene.pixels(found)[:, :, ::-1]))
    again = scene.compute(mirrored=True)
    assert scene.stored() == 2 * len(found.paths)
    assert again.mirrored is not None
    assert again.mirrored.tobytes() == found.mirrored.tobytes()
    assert found.selected(found.labels >= 0) is found  # no second copy of all features
    part = found.selected(found.labels == 1)
    assert part.mirrored is not None
    np.testing.assert_array_equal(part.mirrored, found.mirrored[found.labels == 1])


def test_only_new_contents_are_computed_whatever_their_names(scene: Scene) -> None:
    first = scene.compute()
    copied = scene.root / "circle" / "copy.png"
    copied.write_bytes(Path(first.paths[-1].decode()).read_bytes())
    class_folders.write(scene.root / "circle" / "new.png", class_folders.noise(1, 40))
    found = scene.compute()
    assert len(found.paths) == len(first.paths) + 2
    assert scene.stored() == len(first.paths) + 1
    row = found.paths.index(bytes(copied))
    assert found.digests[row].tobytes() == first.digests[-1].tobytes()
    np.testing.assert_array_equal(found.features[row], first.features[-1])
