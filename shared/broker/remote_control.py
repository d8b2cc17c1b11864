"""The remote control of workers by a monitor such as Flower, restricted to read-only commands.

All of it is off unless HANGTAG_CELERY_EVENTS is 1. With Celery's own, write access to Redis is
enough to end a worker, grow it, or add queues. So a command is validated here by a schema before
Celery or kombu parse it, and rebuilt: its name is in READ_ONLY, its arguments are set here, and its
reply goes to the exchange for replies.
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
#: Names of exchanges. Celery derives them from its settings; the transport prefixes channels.
COMMANDS = "celery.pidbox"
EVENTS = "celeryev"
ANSWERS = "reply.celery.pidbox"
#: Commands that change nothing. Flower enables events, which are on already, and heartbeats.
READ_ONLY = frozenset(
    {
        "active", "active_queues", "clock", "conf", "enable_events", "heartbeat", "ping",
        "registered", "reserved", "revoked", "scheduled", "stats",
    }
)  # fmt: skip
#: The arguments of those commands that take any.
_ARGUMENTS: dict[str, dict[str, object]] = {"active": {"safe": True}}
MAX_COMMAND_BYTES = 65_536
#: A reply that is not fetched expires.
ANSWER_TTL_MS = 30_000

_Id = Annotated[str, Meta(max_length=36, pattern=r"\A[0-9a-f-]{36}\Z")]


class _ReplyAddress(msgspec.Struct):
    """The destination of the reply; its exchange is fixed."""

    routing_key: _Id


class _Command(msgspec.Struct):
    method: str
    destination: list[str] | None = None
    pattern: None = None  #: a regular expression may run for years
    matcher: None = None
    ticket: _Id | None = None
    reply_to: _ReplyAddress | None = None


class _CommandProperties(msgspec.Struct):
    body_encoding: Literal["base64"]


class _CommandHeaders(msgspec.Struct):
    compression: None = None


class _CommandMessage(msgspec.Struct):
    body: str
    properties: _CommandProperties
    headers: _CommandHeaders
    kind: Literal["application/json"] = msgspec.field(name="content-type")
    encoding: Literal["utf-8"] = msgspec.field(name="content-encoding")


class HintMailbox(Mailbox):
    """A mailbox whose queues have Hangtag's key prefix."""

    def get_queue(self, hostname: str) -> Queue:
        """The queue of a worker, which exists only in that worker's memory."""
        queue = super().get_queue(hostname)
        queue.name = keys.INBOX + hostname
        return queue

    def get_reply_queue(self) -> Queue:
        """The list for replies to this client."""
        queue = super().get_reply_queue()
        queue.name = keys.ANSWERS + self.oid
        return queue


class HintControl(Control):
    """The part of a Celery application that sends commands to workers."""

    Mailbox = HintMailbox


def sanitized(raw: bytes) -> dict[str, Any]:
    """The command in `raw`, as a rebuilt message.

    Raises:
        BadMessage: it is not a command, or not a read-only one.
    """
    if len(raw) > MAX_COMMAND_BYTES:
        raise BadMessage(f"it has {len(raw)} bytes, more than {MAX_COMMAND_BYTES}")
    try:
        message = msgspec.json.decode(raw, type=_CommandMessage)
        body = base64.b64decode(message.body, validate=True)
        command = msgspec.json.decode(body, type=_Command)
    except (*MISFITS, binascii.Error, ValueError) as error:
        raise BadMessage(str(error) or type(error).__name__) from error
    if command.method not in READ_ONLY:
        raise BadMessage(f"{command.method!r:.60} is not a read-only command")
    return _rebuilt(command)


def _rebuilt(command: _Command) -> dict[str, Any]:
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
