"""The workers refuse a request with a field out of range, not only the CLI."""

from __future__ import annotations

import pytest

from shared.errors import BadMessage
from shared.messages.requests import (
    Evaluate,
    Import,
    Prune,
    Request,
    ShowData,
    Train,
    Work,
    decode_request,
    encode_request,
)


@pytest.mark.parametrize(
    ("work", "field"),
    [
        (Train("shoes", "fast", epochs=-1), "epochs"),
        (Train("shoes", "fast", "photos"), "data"),
        (Train("shoes", "fast", ""), "data"),
        (Train("shoes", "fast", teach_by=-1), "teach_by"),
        (Train("shoes", "fast", teach_by=17), "teach_by"),
        (Train("shoes", "fast", teachers=("../shoes",)), "teachers"),
        (Train("shoes", "fast", teachers=("shoes",) * 17), "teachers"),
        (Evaluate("shoes", "../photos"), "data"),
        (ShowData(""), "data"),
        (Import("shoes", ("a", "b"), "0" * 64, data="photos"), "data"),
        (Prune("shoes", -1), "keep"),
        (Prune("../shoes", 1), "name"),
    ],
    ids=repr,
)
def test_a_field_out_of_range_is_named(work: Work, field: str) -> None:
    with pytest.raises(BadMessage, match=f"out of range: {field}$"):
        decode_request(encode_request(Request("r1", work, "me@here", 1.0)))


@pytest.mark.parametrize(
    "work",
    [
        Train("shoes", "fast"),
        Train("shoes", "fast", "/photos", epochs=3),
        Train("shoes", "fast", teach_by=16, teachers=("shoes@2", "shoes@production")),
        Import("shoes", ("a", "b"), "0" * 64),
        Prune("shoes", 0),
    ],
    ids=repr,
)
def test_the_requests_of_the_commands_are_accepted(work: Work) -> None:
    request = Request("r1", work, "me@here", 1.0)
    assert decode_request(encode_request(request)) == request


def test_a_training_without_teachers_is_encoded_as_before_they_existed() -> None:
    request = Request("r1", Train("shoes", "fast", "/photos", seed=7), "me@here", 1.5)
    assert encode_request(request) == (
        b'{"id":"r1","work":{"type":"train","name":"shoes","recipe":"fast","data":"/photos",'
        b'"epochs":0,"seed":7,"promote":"if-better","weighted":false,"max_unreadable":0.05},'
        b'"who":"me@here","created":1.5}'
    )
