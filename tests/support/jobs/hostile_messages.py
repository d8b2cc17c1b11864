"""Messages of an attacker, as bytes to push into a queue."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import os
import pickle
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared import keys
from shared.broker.message_filter import CLASSIFY_TASK, TRAIN_TASK

NO_JOB = "zzzzzzzz"  #: the id of no job
MANY_BYTES = 10 << 20
FAR = "2999-01-01T00:00:00+00:00"
_BOMB_BYTES = 256 << 20
Fields = Mapping[str, Any]
_NOTHING: Fields = {}
_PLAIN_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def message(
    task: object = CLASSIFY_TASK,
    args: object = (NO_JOB, 0),
    kwargs: object = None,
    embed: Fields = _NOTHING,
    headers: Fields = _NOTHING,
    properties: Fields = _NOTHING,
    body: bytes | None = None,
) -> bytes:
    """A message as Celery writes it, with the given fields."""
    task_id = str(uuid.uuid4())
    if body is None:
        body = json.dumps([args, kwargs or {}, {**_PLAIN_EMBED, **embed}]).encode()
    head = {"lang": "py", "task": task, "id": task_id, "shadow": None, "eta": None, "expires": None,
            "group": None, "group_index": None, "retries": 0, "timelimit": [None, None],
            "root_id": task_id, "parent_id": None, "argsrepr": repr(args)[:100], "kwargsrepr": "{}",
            "origin": "1@enemy", "ignore_result": True, "replaced_task_nesting": 0,
            "stamped_headers": None, "stamps": {}}  # fmt: skip
    tags = {"correlation_id": task_id, "reply_to": str(uuid.uuid4()), "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": keys.CLASSIFY_QUEUE}, "priority": 0,
            "body_encoding": "base64", "delivery_tag": str(uuid.uuid4())}  # fmt: skip
    whole = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {**head, **headers},
        "properties": {**tags, **properties},
    }
    return json.dumps(whole).encode()


def changed(raw: bytes, field: str, value: object) -> bytes:
    """The message with one of its outermost fields replaced."""
    return json.dumps({**json.loads(raw), field: value}).encode()


def no_messages() -> dict[str, bytes]:
    """Bytes that are not a Celery message, or not decodable."""
    return {
        "nothing": b"",
        "text": b"no json",
        "binary": b"\x80\x04\x95\xff\xfe",
        "null": b"null",
        "number": b"1",
        "list": b"[]",
        "empty": b"{}",
        "deep": b"[" * 100_000,
        "deeper": b'{"body":' * 100_000,
        "half": message()[:200],
        "text of 10 MB": b'"' + b"x" * MANY_BYTES + b'"',
        "no properties": b'{"body":"","headers":{}}',
        "headers are a list": changed(message(), "headers", []),
        "headers are missing": changed(message(), "headers", None),
        "properties are text": changed(message(), "properties", "x"),
        "tag is a list": message(properties={"delivery_tag": [1]}),
        "tag is missing": message(properties={"delivery_tag": None}),
        "body is no base64": changed(message(), "body", "!"),
        "body is a number": changed(message(), "body", 5),
        "body is empty": message(body=b""),
        "body is no JSON": message(body=b"{"),
        "body is too short": message(body=b"[]"),
        "body is of protocol 1": message(body=json.dumps({"args": [NO_JOB, 0]}).encode()),
        "body is deep": message(body=b"[" * 100_000),
        "body of 10 MB": message(body=b'"' + b"y" * MANY_BYTES + b'"'),
        "foreign encoding": changed(message(), "content-encoding", "rot13"),
        "foreign body encoding": message(properties={"body_encoding": "rot13"}),
    }


def no_hints(task: str, args: tuple[object, ...]) -> dict[str, bytes]:
    """Celery messages that are not a hint of this task."""
    other = TRAIN_TASK if task == CLASSIFY_TASK else CLASSIFY_TASK
    arguments: dict[str, object] = {
        "none": (), "one more": (*args, 1), "null": None, "text": "ab", "dict": {"a": 1},
        "path": ("../../etc", *args[1:]), "absolute path": ("/etc/passwd", *args[1:]),
        "newline": (f"{args[0]}\n", *args[1:]), "number": (1, *args[1:]),
        "nested": ([[args[0]]], *args[1:]), "10 MB": ("x" * MANY_BYTES, *args[1:]),
        "NUL": ("\0", *args[1:]), "empty": ("", *args[1:]), "surrogate": ("\ud800", *args[1:]),
    }  # fmt: skip
    if len(args) == 2:
        arguments |= {f"batch {odd!r:.20}": (args[0], odd) for odd in (
            -1, 1 << 31, 10**400, 0.0, True, None, "0", [0])}  # fmt: skip
    tasks = {"unknown": "os.system", "another": other, "celery's": "celery.chord_unlock",
             "a list": [task], "null": None}  # fmt: skip
    found = {f"task: {name}": message(odd, args) for name, odd in tasks.items()}
    found |= {f"args: {name}": message(task, odd) for name, odd in arguments.items()}
    found["kwargs"] = message(task, args, {"job": args[0]})
    found["kwargs are a list"] = message(task, args, [1])
    return found


def commands(task: str, args: tuple[object, ...]) -> dict[str, bytes]:
    """Valid hints with further instructions for Celery."""
    again = {"task": task, "args": list(args), "kwargs": {}, "options": {"queue": "stolen"},
             "subtask_type": None, "immutable": True}  # fmt: skip
    embeds: dict[str, dict[str, Any]] = {
        "callbacks": {"callbacks": [again]},
        "errbacks": {"errbacks": [again]},
        "chain": {"chain": [again]},
        "chord": {"chord": again},
    }
    headers: dict[str, dict[str, Any]] = {
        "eta": {"eta": FAR},
        "eta in the past": {"eta": "1999-01-01T00:00:00+00:00"},
        "eta is rubbish": {"eta": "soon"},
        "expires": {"expires": FAR},
        "expired": {"expires": "1999-01-01T00:00:00+00:00"},
        "hard limit": {"timelimit": [0.001, None]},
        "soft limit": {"timelimit": [None, 0.001]},
        "limit is text": {"timelimit": "ab"},
        "retries": {"retries": 99},
        "shadow": {"shadow": "celery.ping"},
        "group": {"group": str(uuid.uuid4()), "group_index": 0},
        "stamps": {"stamped_headers": ["a"], "stamps": {"a": "b"}},
        "nesting": {"replaced_task_nesting": 9},
        "result": {"ignore_result": False},
    }
    found = {f"embed: {k}": message(task, args, embed=v) for k, v in embeds.items()}
    found |= {f"header: {k}": message(task, args, headers=v) for k, v in headers.items()}
    return found


def payloads(task: str, marker: Path) -> dict[str, bytes]:
    """Bodies that would create `marker` if they were decoded as their content type says."""
    pickled = pickle.dumps(_Touch(marker))
    yaml = f"!!python/object/apply:os.system ['touch {marker}']".encode()
    bomb = zlib.compress(bytes(_BOMB_BYTES), 9)
    packed = {"zlib": bomb, "gzip": bomb, "bzip2": bz2.compress(bytes(_BOMB_BYTES // 16)),
              "lzma": lzma.compress(bytes(_BOMB_BYTES // 16), preset=0)}  # fmt: skip
    names = {
        "zlib": "application/x-gzip",
        "bzip2": "application/x-bz2",
        "lzma": "application/x-lzma",
    }
    found = {
        f"{kind} as {name}": changed(message(task, body=body), "content-type", name)
        for kind, body, name in (
            ("pickle", pickled, "application/x-python-serialize"),
            ("pickle", pickled, "pickle"),
            ("pickle", pickled, "application/json"),
            ("yaml", yaml, "application/x-yaml"),
            ("yaml", yaml, "yaml"),
            ("text", b"x", "text/plain"),
            ("data", b"x", "application/data"),
            ("nothing", b"x", None),
        )
    }
    for kind, body in packed.items():
        for name in {kind, names.get(kind, kind)}:
            found[f"{kind} bomb as {name}"] = message(
                task, body=body, headers={"compression": name}
            )
    return found


class _Touch:
    """Runs a shell command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self._marker}",)
