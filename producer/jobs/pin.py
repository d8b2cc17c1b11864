"""Pins a new job to a version of its model."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import redis

from producer.dispatch.window import file_limit
from producer.inputs.job_options import KEPT_LABELS, JobOptions
from producer.journal.job_properties import Pinned
from shared import runtimes
from shared.errors import SetupError
from shared.messages import model_card
from shared.messages.batch import JobRecord, new_id
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName, parse
from shared.registry.mirror_reader import Mirror
from shared.registry.mirror_writer import Incomplete, publish
from shared.registry.registry import Registry
from shared.settings import Settings


def pin(client: redis.Redis, options: JobOptions, settings: Settings) -> Pinned:
    """A new job pinned to the current version of its model, with the server's file size limit.

    Raises:
        SetupError: there is no such model, its version is damaged, or it has not this runtime.
        redis.exceptions.RedisError: the server is unreachable.
    """
    card = _served(client, parse(options.model), settings)
    record = JobRecord(
        id=new_id(),
        name=card.name,
        version=card.version,
        card_sha256=model_card.card_sha256(card),
        runtime=runtimes.serving(options.runtime, card.only_runtime).name,
        top_k=kept_labels(options, len(card.labels)),
        output=Path(options.output).name.encode(errors="backslashreplace").decode(),
        host=socket.gethostname(),
        created=time.time(),
    )
    return Pinned(record, card, msgspec.structs.replace(options, max_file_bytes=file_limit(client)))


def check_pinned(client: redis.Redis, record: JobRecord, settings: Settings) -> None:
    """Check that the version of a job that has started is there, and the one that it was.

    Raises:
        SetupError: it was removed or is damaged, or another one has its number.
        redis.exceptions.RedisError: the server is unreachable.
    """
    card = _served(client, ModelName(record.name, record.version, None), settings)
    if model_card.card_sha256(card) != record.card_sha256:
        raise SetupError(
            f"{card.ref} is not the version that the table was classified with; start over with "
            "--restart"
        )


def _served(client: redis.Redis, model: ModelName, settings: Settings) -> Card:
    """The card of a version with copies in Redis. Copies that this machine's stack lacks are made
    now: a file of the store may have been restored a moment ago."""
    try:
        return Mirror(client).resolve(model)
    except SetupError:
        if settings.redis_url:
            raise
    registry = Registry(settings.store_path)
    card = registry.resolve(model)
    with suppress(Incomplete):  # maybe for another version
        publish(client, registry)
    try:
        return Mirror(client).resolve(model)
    except SetupError:
        registry.check(card)
        raise


def kept_labels(options: JobOptions, count: int) -> int:
    """How many of the model's `count` labels the journal of a new job has for each image. The table
    displays those that the options name."""
    return count if options.probabilities else min(max(options.top_k or 1, KEPT_LABELS), count)
