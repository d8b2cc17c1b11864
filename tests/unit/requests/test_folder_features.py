"""The features of a folder: of every image below it, whatever its folders are called; what cannot
be read is named, and nothing is computed twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from shared.errors import SetupError
from shared.image_status import Status
from shared.messages import replies
from shared.messages.replies import DescribedFolder, FolderFeatures, decode_features
from shared.messages.requests import ComputeFeatures
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer
from worker.requests import folder_features as handler


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def computed(
    server: RedisServer, store: Path, folder: Path
) -> tuple[DescribedFolder, FolderFeatures, list[str]]:
    work = ComputeFeatures(str(folder))
    context, notes = handler_context.make(server, store, work)
    reply = handler.compute(context, work)
    assert isinstance(reply.answer, DescribedFolder)
    return reply.answer, decode_features(reply.files[replies.FEATURES_FILE]), notes.stages


def test_every_image_below_a_folder_has_a_row_and_copies_are_one_stack(
    server: RedisServer, store: Path, tmp_path: Path
) -> None:
    shapes.write(tmp_path / "photos/2024", "circle", 3)
    shapes.write(tmp_path / "photos/unknown", "square", 3)
    first = next((tmp_path / "photos/2024/circle").iterdir())
    copy = tmp_path / "photos/copy.png"
    copy.write_bytes(first.read_bytes())
    (tmp_path / "photos/bad.jpg").write_bytes(b"no image")
    (tmp_path / "photos/notes.txt").write_bytes(b"no image")
    (tmp_path / "photos/other.JXL").write_bytes(b"not decoded")
    answer, features, stages = computed(server, store, tmp_path / "photos")
    files = [path for path in (tmp_path / "photos").rglob("*") if path.is_file()]
    every = [bytes(path) for path in files if path.stem not in ("bad", "notes", "other")]
    assert sorted(features.paths) == sorted(every)
    assert features.unreadable == [bytes(tmp_path / "photos/bad.jpg")]
    assert features.statuses == bytes([Status.UNSUPPORTED.code])
    assert (answer.images, answer.unreadable, answer.closed) == (7, 1, ())
    assert answer.other_kinds == 1
    stacks = np.frombuffer(features.stacks, "<u4").tolist()
    at = {path: number for number, path in enumerate(features.paths)}
    assert stacks[at[bytes(copy)]] == stacks[at[bytes(first)]]
    assert answer.stacks == len(set(stacks))
    digest = hashlib.sha256(copy.read_bytes()).digest()
    assert features.digests[32 * at[bytes(copy)] :][:32] == digest
    rows = np.frombuffer(features.rows, "<f2").reshape(7, features.width)
    assert (rows[at[bytes(copy)]] == rows[at[bytes(first)]]).all()
    assert stages == ["loading"]


def test_a_folder_without_images_is_refused_in_one_line(
    server: RedisServer, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match="there are no images under"):
        computed(server, store, tmp_path / "empty")
    (tmp_path / "empty/bad.png").write_bytes(b"x")
    with pytest.raises(SetupError, match=r"none of the 1 files .* can be read as an image"):
        computed(server, store, tmp_path / "empty")
    with pytest.raises(SetupError, match="No such file"):
        computed(server, store, tmp_path / "missing")
