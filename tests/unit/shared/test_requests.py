"""The workers refuse a request with a field out of range, not only the CLI."""

from __future__ import annotations

import msgspec
import pytest

from producer.trainer.client import make_request
from shared.errors import BadMessage, UsageError
from shared.messages.requests import (
    Evaluate,
    Import,
    Remove,
    Request,
    ShowData,
    Work,
    decode_request,
    encode_request,
)
from shared.messages.training import Train

IMPORT = Import("shoes", ("a", "b"), "0" * 64)


@pytest.mark.parametrize(
    ("work", "field"),
    [
        (Train("shoes", "fast", epochs=-1), "epochs"),
        (Train("shoes", "fast", "photos"), "data"),
        (Train("shoes", "fast", ""), "data"),
        (Evaluate("shoes", "../photos"), "data"),
        (ShowData(""), "data"),
        (Import("shoes", ("a", "b"), "0" * 64, data="photos"), "data"),
        (Remove("shoes", keep=-1), "keep"),
        (Remove("../shoes", keep=1), "name"),
    ],
    ids=repr,
)
def test_a_field_out_of_range_is_named(work: Work, field: str) -> None:
    with pytest.raises(BadMessage, match=f"out of range: {field}$"):
        decode_request(encode_request(Request("r1", work, "me@here", 1.0)))


@pytest.mark.parametrize(
    ("work", "field"),
    [
        (Train("shoes", "fast", promote="perhaps"), "promote"),  # type: ignore[arg-type]
        (msgspec.structs.replace(IMPORT, promote="perhaps"), "promote"),
    ],
    ids=repr,
)
def test_a_request_that_no_trainer_could_read_is_not_made(work: Work, field: str) -> None:
    with pytest.raises(UsageError, match=f"{field}.*; check its value"):
        make_request(work)
