"""Messages are restored exactly, and other ones are a BadMessage."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadMessage
from shared.image_status import BY_CODE, Status
from shared.messages.batch import (
    BatchResult,
    JobRecord,
    decode_job,
    decode_result,
    encode_images,
    encode_job,
    encode_result,
)
from shared.runtimes import CHOICES
from tests.support.jobs.image_blobs import decode_images

text = st.text(max_size=20)
records = st.builds(
    JobRecord,
    id=st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=8, max_size=8),
    name=st.text("abcxyz019", min_size=1, max_size=64),
    version=st.integers(0, (1 << 31) - 1),
    card_sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    runtime=st.sampled_from(list(CHOICES)),
    top_k=st.integers(1, 65_535),
    output=text,
    host=text,
    created=st.floats(0, 1e10),
)
failed = st.sampled_from([status for status in Status if status is not Status.OK])
images = st.lists(st.one_of(st.binary(max_size=30), failed), max_size=20)


@st.composite
def results(draw: st.DrawFn) -> tuple[int, BatchResult]:
    count, k = draw(st.integers(0, 8)), draw(st.integers(1, 4))
    statuses = bytes(draw(st.lists(st.integers(0, 6), min_size=count, max_size=count)))
    indices = draw(st.binary(min_size=2 * count * k, max_size=2 * count * k))
    probabilities = draw(st.binary(min_size=4 * count * k, max_size=4 * count * k))
    flags = bytes(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    digests = draw(st.binary(min_size=4 * count, max_size=4 * count))
    return count, BatchResult(
        k,
        statuses,
        indices,
        probabilities,
        flags if draw(st.booleans()) else b"",
        digests if draw(st.booleans()) else b"",
    )


@given(records)
def test_a_job_record_is_restored_exactly(record: JobRecord) -> None:
    assert decode_job(encode_job(record)) == record


@given(results())
def test_a_result_is_restored_exactly(counted: tuple[int, BatchResult]) -> None:
    count, result = counted
    assert decode_result(encode_result(result), count) == result


@given(images)
def test_images_and_their_statuses_are_restored_exactly(images: list[bytes | Status]) -> None:
    back = decode_images(encode_images(images))
    assert back == images
    assert [type(image) for image in back] == [type(image) for image in images]


@given(images)
def test_an_image_blob_has_the_documented_layout(images: list[bytes | Status]) -> None:
    blob = encode_images(images)
    count, *words = struct.unpack_from(f"<{1 + len(images)}I", blob)
    assert count == len(images)
    for word, image in zip(words, images, strict=True):
        assert word == (len(image) if isinstance(image, bytes) else 1 << 31 | image.code)
    assert blob[4 + 4 * count :] == b"".join(i for i in images if isinstance(i, bytes))


@pytest.mark.parametrize(
    "words", [(1, 1 << 31), (1, 1 << 31 | len(BY_CODE)), (1, (1 << 32) - 1), (1 << 31,)]
)
def test_a_blob_with_an_unknown_status_or_an_absurd_count_is_a_bad_message(
    words: tuple[int, ...],
) -> None:
    with pytest.raises(BadMessage):
        decode_images(struct.pack(f"<{len(words)}I", *words))


@given(results(), st.integers(0, 9))
def test_a_result_for_another_number_of_images_is_a_bad_message(
    counted: tuple[int, BatchResult], other: int
) -> None:
    count, result = counted
    if other != count:
        with pytest.raises(BadMessage):
            decode_result(encode_result(result), other)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../ab"),
        ("id", "abcdefg"),
        ("id", "abcdefgh\n"),
        ("name", "../model"),
        ("name", "/etc"),
        ("name", ""),
        ("version", -1),
        ("version", 1 << 31),
        ("card_sha256", "0" * 63),
        ("card_sha256", "G" * 64),
        ("runtime", "pickle"),
        ("top_k", 0),
        ("top_k", 65_536),
    ],
)
def test_a_record_with_a_field_out_of_range_is_a_bad_message(field: str, value: object) -> None:
    good = JobRecord("abcdefgh", "m", 1, "0" * 64, "litert", 1, "", "", 0.0)
    fields = msgspec.structs.asdict(good)
    assert decode_job(msgspec.json.encode(fields)) == good
    with pytest.raises(BadMessage):
        decode_job(msgspec.json.encode({**fields, field: value}))


def test_a_record_with_an_unknown_field_is_a_bad_message() -> None:
    good = JobRecord("abcdefgh", "m", 1, "0" * 64, "litert", 1, "", "", 0.0)
    fields = {**msgspec.structs.asdict(good), "path": "/etc/passwd"}
    with pytest.raises(BadMessage):
        decode_job(msgspec.json.encode(fields))


def test_every_status_has_its_code_and_all_but_ok_a_sentence() -> None:
    assert [BY_CODE[status.code] for status in Status] == list(Status)
    assert [status for status in Status if not status.sentence] == [Status.OK]
    assert [str(status) for status in Status] == [
        "ok", "unreadable", "unsupported", "too_large", "missing", "changed", "crashed",
        "no_answer",
    ]  # fmt: skip
