"""Thumbnails come from bounded processes: neither bytes of a file nor crashes get out."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from producer.pages import thumbnails
from producer.pages.thumbnails import CRASHED, SIDE_PIXELS, Thumbnails
from shared.image_status import Status
from shared.messages.helpers import Thumbnail
from tests.support.images import image_zoo
from tests.support.images.encoders import save, turned

MAX_BYTES = 6_000
SECRET = b"a comment that names its photographer"


@pytest.fixture(scope="module")
def service() -> Iterator[Thumbnails]:
    with Thumbnails(processes=1) as running:
        yield running


def pixels(made: Thumbnail) -> Image.Image:
    assert not made.why
    with Image.open(io.BytesIO(made.webp), formats=["WEBP"]) as image:
        image.load()
        assert image.size == (made.width, made.height)
        return image


def pid_of(service: Thumbnails) -> int:
    """The only process of a service."""
    service.make(b"")
    helper = service._idle.get()
    service._idle.put(helper)
    return helper.start().pid


def photo(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(1)
    small = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8).astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", image_zoo.variants())
def test_every_format_gives_its_picture(service: Thumbnails, name: str) -> None:
    grey = image_zoo.garment()
    made = pixels(service.make(image_zoo.variants()[name]))
    assert made.size == (28, 28)  # never enlarged
    loss = np.abs(np.asarray(made.convert("L")).astype(int) - grey).mean()
    # Transparent pixels are white here, black in the network's input.
    assert loss < 8 or "alpha" in name or name in ("la.png", "rgba.png")


def test_a_photo_is_small_upright_and_not_cropped(service: Thumbnails) -> None:
    made = service.make(save(photo(1600, 1200), "JPEG", quality=90))
    assert (made.width, made.height) == (SIDE_PIXELS, SIDE_PIXELS * 3 // 4)
    assert len(made.webp) <= MAX_BYTES
    like = np.asarray(photo(1600, 1200).resize((made.width, made.height))).astype(int)
    assert np.abs(np.asarray(pixels(made).convert("RGB")) - like).mean() < 6
    sideways = service.make(turned(np.zeros((40, 80), np.uint8), 6))
    assert (sideways.width, sideways.height) == (80, 40)


def test_no_byte_of_the_file_is_passed_on(service: Thumbnails) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = save(photo(64, 64), form, exif=exif, icc_profile=SECRET)
        assert SECRET in data
        assert SECRET not in service.make(data).webp
        assert SECRET not in service.make(data + SECRET).webp


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"no picture", Status.UNSUPPORTED),
        (b"", Status.UNREADABLE),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", Status.UNSUPPORTED),
        (image_zoo.bomb(), Status.TOO_LARGE),
    ],
    ids=["text", "empty", "svg", "bomb"],
)
def test_what_is_no_image_has_a_reason(service: Thumbnails, data: bytes, status: Status) -> None:
    assert service.make(data) == Thumbnail(why=status.sentence)


def test_the_process_cannot_open_files_and_has_limits(service: Thumbnails) -> None:
    limits = Path(f"/proc/{pid_of(service)}/limits").read_text()
    found = {line[:25].strip(): line[25:].split()[:2] for line in limits.splitlines()}
    assert found["Max open files"] == ["0", "0"]
    assert found["Max file size"] == ["0", "0"]
    assert found["Max core file size"] == ["0", "0"]
    assert int(found["Max data size"][0]) < 2 << 30


def test_the_process_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANGTAG_REDIS_URL", "rediss://:secret@host")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with Thumbnails(processes=1) as running:
        assert b"secret" not in Path(f"/proc/{pid_of(running)}/environ").read_bytes()


def test_a_process_that_dies_costs_one_picture(service: Thumbnails) -> None:
    pid = pid_of(service)
    os.kill(pid, signal.SIGSTOP)  # stands for a decoder that is busy
    found: list[Thumbnail] = []
    work = threading.Thread(target=lambda: found.append(service.make(save(photo(64, 64), "PNG"))))
    work.start()
    time.sleep(0.1)
    assert not found
    os.kill(pid, signal.SIGKILL)
    work.join(10)
    assert found == [CRASHED]
    assert pixels(service.make(save(photo(64, 64), "PNG"))).size == (64, 64)
    assert pid_of(service) != pid


def test_a_process_that_hangs_costs_one_picture(
    service: Thumbnails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "_LIMIT_S", 0.3)
    os.kill(pid_of(service), signal.SIGSTOP)
    assert service.make(save(photo(64, 64), "PNG")) == CRASHED
    monkeypatch.undo()
    assert pixels(service.make(save(photo(64, 64), "PNG"))).size == (64, 64)
