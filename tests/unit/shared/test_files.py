"""A reference is restored exactly, and names a file below a root or is a bad message."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadMessage
from shared.image_status import Status
from shared.messages.batch import decode_payload, encode_images
from shared.messages.files import Reference, fits, unpack

MAX_FILE_BYTES = 64 << 20
MAX_PATH_BYTES = 4_095

parts = st.binary(min_size=1, max_size=12).filter(
    lambda part: part not in (b".", b"..") and not set(part) & set(b"/\0")
)
paths = st.lists(parts, min_size=1, max_size=5).map(b"/".join)
stamps = st.tuples(st.integers(0, MAX_FILE_BYTES), st.integers(0, (1 << 63) - 1))
references = st.builds(Reference, paths, stamps)
failed = st.sampled_from([status for status in Status if status is not Status.OK])
payloads = st.lists(st.one_of(references, st.binary(max_size=30), failed), max_size=20)
#: Paths that lead out of a root, or are invalid.
ODD = [
    b"", b"/", b"/etc/passwd", b"..", b"../x", b"a/..", b"a/../b", b"a/../../x", b".", b"./a",
    b"a/.", b"a//b", b"a/", b"//a", b"\0", b"a\0b", b"a/\0", b"a" * (MAX_PATH_BYTES + 1),
]  # fmt: skip


@given(payloads)
def test_a_payload_is_restored_exactly(payload: list[bytes | Reference | Status]) -> None:
    back = decode_payload(encode_images(payload))
    assert back == payload
    assert [type(image) for image in back] == [type(image) for image in payload]


@given(references)
def test_a_reference_has_the_documented_layout(reference: Reference) -> None:
    blob = encode_images([reference])
    length = 16 + len(reference.path)
    assert blob == struct.pack("<IIqq", 1, 1 << 30 | length, *reference.stamp) + reference.path


@pytest.mark.parametrize("path", ODD, ids=lambda path: repr(path[:12]))
def test_a_path_that_could_lead_out_of_the_root_is_a_bad_message(path: bytes) -> None:
    assert not fits(path)
    with pytest.raises(BadMessage):
        decode_payload(encode_images([b"before", Reference(path, (1, 1)), b"after"]))


@pytest.mark.parametrize("stamp", [(-1, 1), (MAX_FILE_BYTES + 1, 1), (1, -1), (1 << 62, 1)])
def test_an_impossible_size_or_time_is_a_bad_message(stamp: tuple[int, int]) -> None:
    with pytest.raises(BadMessage):
        unpack(Reference(b"a", stamp).pack(), MAX_FILE_BYTES)


@pytest.mark.parametrize("length", range(17))
def test_a_truncated_reference_is_a_bad_message(length: int) -> None:
    with pytest.raises(BadMessage):
        unpack(Reference(b"a", (1, 1)).pack()[:length], MAX_FILE_BYTES)
