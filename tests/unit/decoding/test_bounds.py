"""A hostile file takes little time, and less memory than a large photograph."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from shared.errors import ImageError
from shared.image_status import Status
from shared.messages.model_card import Preprocessing
from tests.support.images.decompression_bombs import bombs
from tests.support.images.encoders import save
from tests.support.images.heif import largest
from worker.decoding.decode import decode

SPEC = Preprocessing(28, 28, 1)
MAX_IMAGE_MB = 800  #: measured: 540
MAX_PARTS_MB = 300  #: 30 megapixels at 4 bytes, and their rows
MAX_SECONDS = 5.0  #: all together take 0.2; a busy machine takes longer
MAX_GROWTH_MB = 60  #: the largest file has 12, and the smallest declares gigabytes
JPEG_SIDE_PIXELS = 14_142  #: just below 200 megapixels


def outcome(data: bytes) -> Status:
    """OK or the status of the refusal."""
    try:
        decode(data, SPEC)
    except ImageError as error:
        return error.status
    return Status.OK


def growth_mb(files: list[str]) -> float:
    """The growth of this process's peak memory in megabytes while it decodes the files."""
    before = _peak_mb()
    for file in files:
        outcome(Path(file).read_bytes())
    return _peak_mb() - before


def growth_of_another_process_mb(folder: Path) -> float:
    """The same of a process that decodes the files of a folder."""
    code = "import sys; from tests.unit.decoding.test_bounds import growth_mb as grow"
    code += "; print(grow(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *map(str, folder.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_every_bomb_is_refused_or_decoded_quickly() -> None:
    made = bombs()
    start = time.monotonic()
    assert {name: outcome(data) for name, (data, _) in made.items()} == {
        name: status for name, (_, status) in made.items()
    }
    assert time.monotonic() - start < MAX_SECONDS


def test_no_bomb_takes_much_memory(tmp_path: Path) -> None:
    for name, (data, _) in bombs().items():
        (tmp_path / name).write_bytes(data)
    assert growth_of_another_process_mb(tmp_path) < MAX_GROWTH_MB


def test_a_jpeg_may_have_twice_as_many_pixels_as_others() -> None:
    data = save(Image.new("L", (JPEG_SIDE_PIXELS, JPEG_SIDE_PIXELS)), "JPEG", quality=20)
    assert outcome(data) is Status.OK
    frame = data.index(b"\xff\xc0")
    assert data[frame + 5 : frame + 7] == JPEG_SIDE_PIXELS.to_bytes(2, "big")
    taller = data[: frame + 5] + (JPEG_SIDE_PIXELS + 1).to_bytes(2, "big") + data[frame + 7 :]
    assert outcome(taller) is Status.TOO_LARGE
    progressive = data.replace(b"\xff\xc0", b"\xff\xc2", 1)
    assert outcome(progressive) is Status.TOO_LARGE
    other = data[frame : frame + 19].replace(b"\xff\xc0", b"\xff\xc2")
    for stored in (
        data[:frame] + data[frame : frame + 13] + other + data[frame + 13 :],
        data.replace(b"\xff\xda\0\x08\1", b"\xff\xda\0\x08\2"),
    ):
        assert stored != data
        assert outcome(stored) is Status.TOO_LARGE


def test_a_file_of_more_than_64_mib_is_too_large() -> None:
    data = save(Image.new("L", (9, 9)), "PNG")
    assert outcome(data + bytes((64 << 20) - len(data))) is Status.OK
    assert outcome(data + bytes((64 << 20) + 1 - len(data))) is Status.TOO_LARGE


@pytest.mark.parametrize("size", [(30_000, 1_000), (1_000, 30_000)])
def test_an_image_is_flattened_in_parts(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(save(Image.new("RGBA", size), "PNG"))
    assert growth_of_another_process_mb(tmp_path) < MAX_PARTS_MB


@pytest.mark.nightly
def test_the_largest_heic_takes_less_memory_than_is_promised(tmp_path: Path) -> None:
    (tmp_path / "largest.heic").write_bytes(largest())
    assert outcome(largest()) is Status.OK
    assert growth_of_another_process_mb(tmp_path) < MAX_IMAGE_MB


@pytest.mark.parametrize("error", [MemoryError(), OSError("out of memory when reading image file")])
def test_too_little_memory_is_too_large(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("worker.decoding.decode.place", fail)
    assert outcome(save(Image.new("RGB", (9, 9)), "PNG")) is Status.TOO_LARGE


def _peak_mb() -> float:
    # getrusage would also count the memory of the parent at the start of this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
