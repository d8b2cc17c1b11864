"""An .npz file with any one byte changed, or cut anywhere: its arrays, or one line of error."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from worker.runtimes.array_archive import arrays

ARRAYS: dict[str, Any] = {
    "a": np.arange(12, dtype="f4").reshape(3, 4),
    "b": np.arange(3),
    "c": np.float64(3),
}
#: All bits of a byte, and those that turn brackets and quotes of a header into each other.
CHANGES = (0xFF, 0x01, 0x04, 0x20)


def _file() -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **ARRAYS)
    return file.getvalue()


def _check(data: bytes) -> bool:
    """Whether the arrays were read."""
    try:
        with arrays(data) as stored:
            found = {name: stored[name] for name in ARRAYS}
    except ValueError as error:
        return _one_line(str(error))
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(found[name], expected)
    return True


def _one_line(reason: str) -> bool:
    assert "\n" not in reason
    return False


@pytest.mark.filterwarnings("ignore")
def test_a_changed_byte_is_noticed_or_has_no_effect() -> None:
    good = _file()
    bad = [
        good[:i] + bytes([good[i] ^ change]) + good[i + 1 :]
        for i in range(len(good))
        for change in CHANGES
    ]
    assert _check(good)
    assert sum(map(_check, bad)) < len(bad) / 2


def test_a_missing_array_is_an_error() -> None:
    with pytest.raises(ValueError, match="other"), arrays(_file()) as stored:
        stored["other"]
