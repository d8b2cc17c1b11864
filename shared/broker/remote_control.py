"""What a monitor such as Flower may ask of a worker: to be looked at, and nothing else.

All of it is off unless HANGTAG_CELERY_EVENTS is 1. Celery would let whoever can write to Redis end
a worker, grow it, or give it other queues. So a command is read here, by a schema, before Celery or
kombu look at it, and written anew: its name is one of LOOKS, its arguments are ours, and its answer
goes to the place for answers.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Annotated, Any, Literal

import msgspec
from celery.app.control import Control
from kombu import Queue
from kombu.pidbox import Mailbox
from msgspec import Meta

from shared import keys
from shared.errors import MISFITS, BadMessage

#: By name, for the Celery application.
CONTROL = "shared.broker.remote_control:HintControl"
#: The names of exchanges. Celery makes them of its own settings; the transport prefixes channels.
COMMANDS = "celery.pidbox"
EVENTS = "celeryev"
ANSWERS = "reply.celery.pidbox"
#: What tells and changes nothing. Flower switches events on, which they are, and asks for a sign.
LOOKS = frozenset(
    {
        "active", "active_queues", "clock", "conf", "enable_events", "heartbeat", "ping",
        "registered", "reserved", "revoked", "scheduled", "stats",
    }
)  # fmt: skip
#: Those of Celery's that would be asked with arguments, and which.
_ARGUMENTS: dict[str, dict[str, object]] = {"active": {"safe": True}}
MAX_COMMAND_BYTES = 65_536
#: An answer that nobody fetches is gone after so long.
ANSWER_TTL_MS = 30_000

_Id = Annotated[str, Meta(max_length=36, pattern=r"\A[0-9a-f-]{36}\Z")]


class _Answer(msgspec.Struct):
    """Where to; the exchange is ours whatever is said."""

    routing_key: _Id


class _Command(msgspec.Struct):
    method: str
    destination: list[str] | None = None
    pattern: None = None  #: a regular expression may take years
    matcher: None = None
    ticket: _Id | None = None
    reply_to: _Answer | None = None


class _Properties(msgspec.Struct):
    body_encoding: Literal["base64"]


class _Headers(msgspec.Struct):
    compression: None = None


class _Message(msgspec.Struct):
    body: str
    properties: _Properties
    headers: _Headers
    kind: Literal["application/json"] = msgspec.field(name="content-type")
    encoding: Literal["utf-8"] = msgspec.field(name="content-encoding")


class HintMailbox(Mailbox):
    """Whose queues have names below the prefix of all of Hangtag's."""

    def get_queue(self, hostname: str) -> Queue:
        """Of a worker; it is in that worker's memory alone."""
        queue = super().get_queue(hostname)
        queue.name = keys.INBOX + hostname
        return queue

    def get_reply_queue(self) -> Queue:
        """Of whoever asks: the list that answers are put into."""
        queue = super().get_reply_queue()
        queue.name = keys.ANSWERS + self.oid
        return queue


class HintControl(Control):
    """The part of a Celery application that asks workers."""

    Mailbox = HintMailbox


def sanitized(raw: bytes) -> dict[str, Any]:
    """The command in `raw`, as a message of our own.

    Raises:
        BadMessage: it is none, or one that steers.
    """
    if len(raw) > MAX_COMMAND_BYTES:
        raise BadMessage(f"it has {len(raw)} bytes, of {MAX_COMMAND_BYTES} at most")
    try:
        message = msgspec.json.decode(raw, type=_Message)
        body = base64.b64decode(message.body, validate=True)
        command = msgspec.json.decode(body, type=_Command)
    except (*MISFITS, binascii.Error, ValueError) as error:
        raise BadMessage(str(error) or type(error).__name__) from error
    if command.method not in LOOKS:
        raise BadMessage(f"{command.method!r:.60} is not for others to ask")
    return _written(command)


def _written(command: _Command) -> dict[str, Any]:
    body: dict[str, object] = {
        "method": command.method,
        "arguments": _ARGUMENTS.get(command.method, {}),
        "destination": command.destination,
        "ticket": command.ticket,
    }
    if command.reply_to is not None:
        body["reply_to"] = {"exchange": ANSWERS, "routing_key": command.reply_to.routing_key}
    return {
        "body": base64.b64encode(msgspec.json.encode(body)).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": COMMANDS, "routing_key": ""},
            "body_encoding": "base64",
        },
    }
