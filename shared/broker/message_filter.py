"""Filters messages before Celery parses them: each valid hint is rebuilt, all else is dropped.

Otherwise write access to a queue could make Celery do more than a hint does: publish elsewhere
(callbacks, chains), hold a message for years (eta), kill a child (time limits), or inflate a
megabyte to gigabytes (compression). So the bytes are validated here by a schema. The rebuilt
message takes only the task and its arguments from the sender; ids, tags, limits and destinations
are set here. A later Celery may send more fields; they are ignored, not refused.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from shared import keys, runtimes
from shared.errors import MISFITS, BadMessage
from shared.messages.batch import check_hint
from shared.messages.requests import check_request_id

CLASSIFY_TASK = "hangtag.classify"
TRAIN_TASK = "hangtag.train"  #: any request to the owner of the store; its argument is the id
#: A hint takes about a thousand; a request's id may be long.
MAX_MESSAGE_BYTES = 16_384
#: kombu appends a priority to the name of a queue.
_PRIORITY = b"\x06\x16"

Empty = Annotated[dict[str, Any], Meta(max_length=0)]


class _Headers(msgspec.Struct):
    """The headers on which Celery acts. A hint uses none of them but the task."""

    task: str
    eta: None = None
    expires: None = None
    timelimit: tuple[None, None] | None = None
    retries: Literal[0] | None = 0
    shadow: None = None
    group: None = None
    stamped_headers: None = None
    compression: None = None


class _Properties(msgspec.Struct):
    body_encoding: Literal["base64"]


class _Message(msgspec.Struct):
    body: str
    headers: _Headers
    properties: _Properties
    kind: Literal["application/json"] = msgspec.field(name="content-type")
    encoding: Literal["utf-8"] = msgspec.field(name="content-encoding")


class _Embedded(msgspec.Struct):
    """What Celery sends when the task is done: nothing."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


class _HintKind(NamedTuple):
    """What the hints of a queue are."""

    task: str
    body: Any  #: type of the decoded body
    check: Callable[..., None]  #: raises BadMessage for arguments out of range


_CLASSIFY = _HintKind(CLASSIFY_TASK, tuple[tuple[str, int], Empty, _Embedded], check_hint)
_TRAIN = _HintKind(TRAIN_TASK, tuple[tuple[str], Empty, _Embedded], check_request_id)
_KINDS = {
    keys.TRAIN_QUEUE.encode(): _TRAIN,
    **{queue.encode(): _CLASSIFY for queue in runtimes.QUEUES},
}
QUEUES = frozenset(queue.decode() for queue in _KINDS)


def sanitized(source: bytes, raw: bytes) -> bytes:
    """The hint in `raw`, popped from the list `source`, as a rebuilt message.

    Raises:
        BadMessage: it is not a hint of that queue.
    """
    queue = source.partition(_PRIORITY)[0]
    kind = _KINDS.get(queue)
    if kind is None:
        raise BadMessage("its queue is not one of Hangtag's")
    if len(raw) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"it has {len(raw)} bytes, more than {MAX_MESSAGE_BYTES}")
    try:
        message = msgspec.json.decode(raw, type=_Message)
        body = base64.b64decode(message.body, validate=True)
        arguments = msgspec.json.decode(body, type=kind.body)[0]
    except (*MISFITS, binascii.Error, ValueError) as error:
        raise BadMessage(str(error) or type(error).__name__) from error
    if message.headers.task != kind.task:
        raise BadMessage(f"its task is {message.headers.task!r:.60} and not {kind.task}")
    kind.check(*arguments)
    return _rebuilt(queue.decode(), kind.task, arguments)


def _rebuilt(queue: str, task: str, arguments: tuple[object, ...]) -> bytes:
    """A message in Celery's protocol 2, with only the fields that Celery requires."""
    message_id = str(uuid.uuid4())
    body = msgspec.json.encode((arguments, {}, {}))
    return msgspec.json.encode(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            # The producer counts its hints in the queue by `argsrepr`.
            "headers": {"lang": "py", "task": task, "id": message_id, "argsrepr": repr(arguments)},
            "properties": {
                "correlation_id": message_id,
                "delivery_tag": message_id,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
            },
        }
    )
