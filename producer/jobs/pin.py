"""Pins a new job to a version of its model."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import msgspec
import redis

from producer.dispatch.window import file_limit
from producer.inputs.job_options import JobOptions
from producer.journal.job_properties import Pinned
from shared.messages import model_card
from shared.messages.batch import new_id
from shared.messages.job import JobRecord
from shared.messages.model_name import parse
from shared.registry import mirror_reader


def pin(client: redis.Redis, options: JobOptions) -> Pinned:
    """A new job pinned to the current version of its model, with the server's file size limit.

    Raises:
        SetupError: there is no such model.
        redis.exceptions.RedisError: the server is unreachable.
    """
    card = mirror_reader.resolve(client, parse(options.model))
    k = len(card.labels) if options.probabilities else options.top_k
    record = JobRecord(
        id=new_id(),
        name=card.name,
        version=card.version,
        card_sha256=model_card.card_sha256(card),
        runtime=options.runtime,
        top_k=min(k, len(card.labels)),
        output=Path(options.output).name.encode(errors="backslashreplace").decode(),
        host=socket.gethostname(),
        created=time.time(),
    )
    return Pinned(record, card, msgspec.structs.replace(options, max_file_bytes=file_limit(client)))
