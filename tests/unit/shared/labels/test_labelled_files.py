"""A request has exactly the labelled files that were submitted with it."""

from __future__ import annotations

import pytest

from shared.errors import BadMessage
from shared.labels.labelled_files import LabelledFile, decode_files, encode_files, input_sha256

FILES = [LabelledFile("0" * 64, 1, "coat", b"/p/1.jpg")]


def test_the_files_of_a_request_are_those_that_were_submitted() -> None:
    data = encode_files(FILES)
    assert decode_files(data, input_sha256(data)) == FILES
    assert decode_files(None, input_sha256(None)) == []
    assert decode_files(data, "") == []


@pytest.mark.parametrize("data", [None, b"", encode_files([])])
def test_other_files_are_refused(data: bytes | None) -> None:
    with pytest.raises(BadMessage, match="not those that were submitted"):
        decode_files(data, input_sha256(encode_files(FILES)))
