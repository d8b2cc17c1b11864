"""For any bytes in place of a record, the reader returns a value or raises BadMessage."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.job.job_options import JobOptions, encode_options
from producer.job.job_properties import PropertyValues
from producer.table.csv_cells import unescape
from shared import keys
from shared.broker.message_filter import sanitized
from shared.errors import BadMessage
from shared.image_status import Status
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.messages.batch import (
    JOB_ID,
    BatchResult,
    JobRecord,
    decode_job,
    decode_payload,
    decode_result,
    encode_images,
    encode_job,
    encode_result,
)
from shared.messages.files import Reference
from shared.messages.model_card import decode_card, encode_card
from shared.messages.requests import Evaluate, Import, Request, decode_request, encode_request
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.alias_log import decode_history
from tests.fuzz.bytewise import BYTEWISE
from tests.support.jobs import hostile_messages
from tests.support.jobs.image_blobs import decode_images

MAX_BATCHES = 1 << 31
_JOB = JobRecord("abcdefgh", "m", 1, "0" * 64, "litert", 2, "/out.csv", "here", 1.5)
_BEAT = Heartbeat("h:1:2", "h", 1, "q", ["3:4"], ["m@1"], 5, 1.5, 6, 7, 8, {"missing": 9})
_OPTIONS = JobOptions((b"a", b"/b\xff"), b"/", "/out.csv")
_WORKS = (Train("m", "tutorial"), Evaluate("m@1"), Import("m", ("a", "b"), "0" * 64))
_REQUESTS = [encode_request(Request("r1", work, "me@here", 1.5)) for work in _WORKS]
#: JSON values of unexpected types and sizes.
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 31, 1 << 64, 10**400, 0.5, -0.0, 1e308, "", "x" * 5_000, "../../etc",
    "\x00", "\ud800", "/dev/zero", [], {}, [[]], {"": None}, ["a"] * 1_000,
)  # fmt: skip
_DEEP = 100_000

Reader = Callable[[bytes], object]
JSON: dict[str, tuple[Reader, list[bytes]]] = {
    "job": (decode_job, [encode_job(_JOB)]),
    "heartbeat": (heartbeats.decode, [msgspec.json.encode(_BEAT)]),
    "request": (decode_request, _REQUESTS),
    "card": (decode_card, [encode_card(packaged.card())]),
    "options": (lambda data: PropertyValues({"options": data}).options, [encode_options(_OPTIONS)]),
    "history": (decode_history, [b'[{"alias":"production","version":1}]']),
}
_HINT = hostile_messages.message(args=("abcdefgh", 7))
BYTES: dict[str, tuple[Reader, list[bytes]]] = {
    "hint": (lambda data: sanitized(keys.CLASSIFY_QUEUE.encode(), data), [_HINT]),
    "images": (decode_images, [encode_images([b"abc", Status.MISSING, b""])]),
    "payload": (
        decode_payload,
        [encode_images([b"abc", Status.MISSING, Reference(b"a/\xff.png", (3, 1 << 60)), b""])],
    ),
    "result": (
        lambda data: decode_result(data, 2),
        [encode_result(BatchResult(1, b"\0\1", b"abcd", b"abcdefgh"))],
    ),
}
EVERY = {**JSON, **BYTES}
randoms = st.randoms(use_true_random=False)


def read(reader: Reader, data: bytes) -> object:
    """The value, or None for a BadMessage."""
    try:
        return reader(data)
    except BadMessage as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 1_000, "a hostile record is echoed"
    return None


@pytest.mark.parametrize("name", [*EVERY])
def test_valid_records_are_read(name: str) -> None:
    reader, good = EVERY[name]
    assert all(read(reader, data) is not None for data in good)


@pytest.mark.parametrize("name", [*JSON])
@given(random=randoms)
def test_json_with_odd_values_is_read_or_refused(name: str, random: Random) -> None:
    reader, good = JSON[name]
    tree = json.loads(random.choice(good))
    for _ in range(random.randint(1, 3)):
        tree = _odd(tree, random)
    read(reader, json.dumps(tree).encode())


@pytest.mark.parametrize("name", [*EVERY])
@given(random=randoms)
def test_damaged_bytes_are_read_or_refused(name: str, random: Random) -> None:
    reader, good = EVERY[name]
    data = random.choice(good)
    for _ in range(random.randint(1, 4)):
        data = random.choice(BYTEWISE)(data, random)
    read(reader, data)


@pytest.mark.parametrize("name", [*EVERY])
def test_invalid_data_is_refused(name: str) -> None:
    reader, _ = EVERY[name]
    for data in (
        b"", b"null", b"[", b"{" * _DEEP, b"[" * _DEEP, b'{"a":' * _DEEP, b"\x91" * _DEEP,
        b"\xff" * 64, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"9" * _DEEP,
        b'"' + b"a" * (8 << 20) + b'"', b"\x80\x04\x95.", b"!!python/object/apply:os.system",
    ):  # fmt: skip
        assert read(reader, data) in (None, []), data[:6]


@given(random=randoms)
def test_a_message_with_odd_fields_is_a_plain_hint_or_refused(random: Random) -> None:
    tree = json.loads(_HINT)
    tree["body"] = [["abcdefgh", 7], {}, {"callbacks": None, "chain": None}]
    for _ in range(random.randint(1, 3)):
        tree = _odd(tree, random)
    if isinstance(tree, dict) and "body" in tree:
        tree["body"] = base64.b64encode(json.dumps(tree["body"]).encode()).decode()
    written = read(BYTES["hint"][0], json.dumps(tree).encode())
    if isinstance(written, bytes):
        made = json.loads(written)
        (job, batch), kwargs, embedded = json.loads(base64.b64decode(made["body"]))
        assert JOB_ID.fullmatch(job)
        assert 0 <= batch < MAX_BATCHES
        assert kwargs == embedded == {}
        assert made["headers"].keys() == {"lang", "task", "id", "argsrepr"}


@given(st.text(max_size=200))
def test_any_cell_can_be_read_as_a_name(cell: str) -> None:
    """Also cells that `escape` did not write, as in a table edited by its user."""
    try:
        assert isinstance(unescape(cell), bytes)
    except UnicodeEncodeError:
        assert any("\ud800" <= character <= "\udfff" for character in cell)


def _odd(tree: Any, random: Random) -> Any:
    """The tree with one node replaced, removed or added."""
    if not isinstance(tree, (dict, list)) or not tree or random.random() < 0.1:
        return random.choice(_ODD)
    if isinstance(tree, list):
        at = random.randrange(len(tree))
        return [*tree[:at], _odd(tree[at], random), *tree[at + 1 :]]
    name = random.choice(list(tree))
    what = random.randrange(6)
    if what == 0:
        return {key: value for key, value in tree.items() if key != name}
    if what == 1:
        return {**tree, random.choice(("", "__class__", "type", "x" * 5_000)): random.choice(_ODD)}
    return {**tree, name: _odd(tree[name], random)}
