"""A worker reads only files below its root, as the producer saw them."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Unseen
from shared.image_status import Status
from shared.messages.files import UNSEEN, Reference, stamp
from shared.settings import Settings
from worker.classify import file_access
from worker.classify.file_access import SharedFiles

MAX_FILE_BYTES = 64 << 20
NOBODY = 65_534
SECRET = b"a secret"
IMAGE = b"a picture"
SWAPS = 3_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with an image in a folder; beside it a secret that is not below it."""
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "root/sub/x.png").write_bytes(IMAGE)
    (tmp_path / "rooted").mkdir()  # a name with the same prefix
    for folder in (tmp_path, tmp_path / "rooted"):
        (folder / "secret.png").write_bytes(SECRET)
    return tmp_path / "root"


def refer(root: Path, path: str | bytes) -> Reference:
    """A reference with the stamp of the target file, if there is one."""
    name = os.fsencode(path)
    try:
        return Reference(name, stamp(os.stat(os.path.join(os.fsencode(root), name))))
    except OSError:
        return Reference(name, (len(IMAGE), 1))


def see(root: Path, path: str | bytes) -> bytes | Status:
    (content,) = SharedFiles(str(root)).read([refer(root, path)])
    return content


def refused(root: Path, path: str | bytes) -> str:
    """The reason why a file is not read; no descriptor stays open."""
    before = os.listdir("/proc/self/fd")
    with pytest.raises(Unseen) as caught:
        see(root, path)
    assert os.listdir("/proc/self/fd") == before
    reason = str(caught.value)
    assert reason.startswith(UNSEEN)
    assert reason.isprintable()
    return reason


def test_a_file_below_the_root_is_its_bytes_and_nothing_stays_open(root: Path) -> None:
    before = os.listdir("/proc/self/fd")
    images: list[bytes | Reference | Status] = [b"inline", refer(root, "sub/x.png"), Status.MISSING]
    assert SharedFiles(str(root)).read(images) == [b"inline", IMAGE, Status.MISSING]
    assert os.listdir("/proc/self/fd") == before


def test_a_slow_disk_is_not_read_for_longer_than_a_claim_lasts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    work_s = max(settings.batch_limit_s, settings.careful_limit_s)
    assert file_access.MAX_READ_S + work_s < settings.claim_limit_s
    monkeypatch.setattr(file_access, "MAX_READ_S", 0.0)
    assert see(root, "sub/x.png") == IMAGE
    with pytest.raises(Unseen, match="longer than 0 s"):
        SharedFiles(str(root)).read([refer(root, "sub/x.png")] * 2)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("x.png", "sub/link"),
        ("../sub/x.png", "sub/link"),
        ("ABSOLUTE/sub/x.png", "sub/link"),
        ("sub", "link/x.png"),
        ("ABSOLUTE/sub", "link/x.png"),
        ("../root/sub/x.png", "link"),  # outside and inside again: the target decides
    ],
)
def test_a_link_that_stays_inside_is_followed(root: Path, target: str, path: str) -> None:
    link = root / path.replace("/x.png", "")
    link.symlink_to(target.replace("ABSOLUTE", str(root)))
    assert see(root, path) == IMAGE


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("../secret.png", "link"),
        ("../../secret.png", "sub/link"),
        ("OUTSIDE/secret.png", "link"),
        ("..", "link/secret.png"),
        ("OUTSIDE", "link/secret.png"),
        ("../rooted", "link/secret.png"),
        ("OUTSIDE/rooted/secret.png", "link"),
        ("/proc/self/fd/0", "link"),
    ],
)
def test_a_link_that_leads_outside_is_refused(root: Path, target: str, path: str) -> None:
    (root / path.replace("/secret.png", "")).symlink_to(target.replace("OUTSIDE", str(root.parent)))
    assert "HANGTAG_ROOT" in refused(root, path)


def test_a_chain_of_links_is_followed_to_its_end(root: Path) -> None:
    (root / "inner").symlink_to("sub")
    (root / "sub/out").symlink_to("../../secret.png")
    (root / "outer").symlink_to("inner/out")
    refused(root, "outer")


@pytest.mark.parametrize("path", ["../secret.png", "sub/../../secret.png", "../rooted/secret.png"])
def test_paths_that_no_message_can_contain_are_refused_too(root: Path, path: str) -> None:
    """The check of messages is not the only guard."""
    refused(root, path)
    refused(root, str(root.parent / "secret.png"))


def test_a_special_file_is_refused_and_does_not_block(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "dangling").symlink_to("absent")
    (root / "loop").symlink_to("loop")
    for path in ("fifo", "sub", "dangling", "loop", "absent", "sub/x.png/below", "n" * 300):
        assert "HANGTAG_ROOT" in refused(root, path)
    for target in ("fifo", "sub"):
        (root / f"to-{target}").symlink_to(target)
        assert "HANGTAG_ROOT" in refused(root, f"to-{target}")
    for path in ("dev/zero", "dev/null", "proc/self/fd/0", "dev/tty"):
        refused(Path("/"), path)


def test_a_device_is_not_even_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a device may have an effect."""
    opened: list[int] = []
    real = os.open

    def noting(path: bytes, flags: int, *args: int, **more: int) -> int:
        opened.append(flags)
        return real(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", noting)
    refused(Path("/"), "dev/null")
    (root / "null").symlink_to("/dev/null")
    refused(Path("/"), str(root / "null").lstrip("/"))
    assert opened
    assert all(flags & os.O_PATH for flags in opened)


def test_without_a_root_nothing_is_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(Unseen, match="HANGTAG_ROOT is not set"):
        SharedFiles("").read([refer(root, "sub/x.png")])


def test_an_absent_root_is_reported(root: Path) -> None:
    for folder in (root / "absent", root / "sub/x.png"):
        with pytest.raises(Unseen, match="HANGTAG_ROOT="):
            SharedFiles(str(folder)).read([refer(root, "sub/x.png")])


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(IMAGE + b"+"),
        lambda file: file.write_bytes(IMAGE[1:]),
        lambda file: os.utime(file, ns=(0, 1)),
        lambda file: file.write_bytes(b""),
    ],
    ids=["longer", "shorter", "time", "empty"],
)
def test_a_file_that_changed_since_the_producer_read_it_is_refused(
    root: Path, change: Callable[[Path], object]
) -> None:
    seen = refer(root, "sub/x.png")
    change(root / "sub/x.png")
    with pytest.raises(Unseen, match="size and time"):
        SharedFiles(str(root)).read([seen])


def test_a_file_that_changes_while_it_is_read_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = refer(root, "sub/x.png")
    read = os.read

    def late(fd: int, size: int) -> bytes:
        content = read(fd, size)
        os.utime(root / "sub/x.png", ns=(0, 1))
        return content

    monkeypatch.setattr(os, "read", late)
    with pytest.raises(Unseen, match="size and time"):
        SharedFiles(str(root)).read([seen])


def test_a_file_that_only_the_producer_may_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        (Path(folder) / "x.png").write_bytes(IMAGE)
        assert see(Path(folder), "x.png") == IMAGE
        os.chmod(f"{folder}/x.png", 0)
        user = os.geteuid()
        if user == 0:  # root may read everything
            os.seteuid(NOBODY)
        try:
            assert "is not below" not in refused(Path(folder), "x.png"), "it is there"
        finally:
            os.seteuid(user)


def test_a_batch_that_would_fill_the_memory_is_refused_before_it_is_read(root: Path) -> None:
    huge = Reference(b"sub/x.png", (MAX_FILE_BYTES, 1))
    with pytest.raises(Unseen, match="MiB"):
        SharedFiles(str(root)).read([huge, Reference(b"sub/x.png", (1, 1))])


def _file_or_link(root: Path, outside: Path) -> None:
    os.link(root / "a/x", root / "new")
    (root / "new").rename(root / "x")
    (root / "new").symlink_to(outside / "x")
    (root / "new").rename(root / "x")


def _link_or_link(root: Path, outside: Path) -> None:
    for target in ("a/x", outside / "x"):
        (root / "new").symlink_to(target)
        (root / "new").rename(root / "x")


def _folder_or_folder(root: Path, outside: Path) -> None:
    for target in ("a", outside):
        (root / "new").symlink_to(target)
        (root / "new").rename(root / "folder")


@pytest.mark.parametrize(
    ("swap", "path"),
    [(_file_or_link, b"x"), (_link_or_link, b"x"), (_folder_or_folder, b"folder/x")],
)
def test_a_concurrently_swapped_path_never_leads_outside(
    root: Path, swap: Callable[[Path, Path], None], path: bytes
) -> None:
    """Both files have the same stamp, so that only their location distinguishes them."""
    outside = root.parent / "out"
    for folder, content in ((root / "a", b"A" * 8), (outside, b"B" * 8)):
        folder.mkdir()
        (folder / "x").write_bytes(content)
        os.utime(folder / "x", ns=(7, 7))
    stop = threading.Event()

    def swap_on() -> None:
        while not stop.is_set():
            swap(root, outside)

    swapper = threading.Thread(target=swap_on)
    swapper.start()
    seen: list[bytes | Status] = []
    refusals = 0
    try:
        sight = SharedFiles(str(root))
        while (len(seen) < SWAPS or not refusals) and len(seen) + refusals < 100 * SWAPS:
            try:
                seen += sight.read([Reference(path, (8, 7))])
            except Unseen:
                refusals += 1
    finally:
        stop.set()
        swapper.join()
    assert refusals
    assert set(seen) == {b"A" * 8}


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_file_that_is_replaced_before_it_is_opened_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    secret = root.parent / "secret.png"
    os.utime(secret, ns=(7, 7))
    real_stat = os.stat

    def late(*args: Any, **more: Any) -> os.stat_result:
        info = real_stat(*args, **more)
        if kind == "link":
            (root / "new").symlink_to(secret)
        else:
            os.mkfifo(root / "new")
            os.utime(root / "new", ns=(7, 7))
        (root / "new").rename(root / "sub/x.png")
        return info

    size = len(SECRET) if kind == "link" else 0
    monkeypatch.setattr(os, "stat", late)
    with pytest.raises(Unseen):
        SharedFiles(str(root)).read([Reference(b"sub/x.png", (size, 7))])
