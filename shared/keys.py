"""Names of queues and keys in Redis. Everything of Hangtag's begins with `hangtag:`."""

from __future__ import annotations

PREFIX = "hangtag:"
CLASSIFY_QUEUE = PREFIX + "classify"
TRAIN_QUEUE = PREFIX + "train"
MODELS = PREFIX + "model:"  #: before the name and the version of a serving copy
JOBS = PREFIX + "jobs"  #: zset, job id -> the producer's last sign of life (server time, s)
REQUESTS = PREFIX + "requests"  #: zset, id of an open request -> when it was made (server time, s)
REMOTE = PREFIX + "remote:"  #: of a monitor that asks workers
INBOX = REMOTE + "inbox:"  #: before a worker's name; no key has it
EVENTS = REMOTE + "events"  #: likewise
ANSWERS = REMOTE + "answers:"  #: before the id of whoever asks: a list
WORKERS = PREFIX + "workers"  #: zset, worker id -> last heartbeat (server time, s)

#: The keys that a job may have. Finishing a job deletes exactly these.
JOB_PARTS = (
    *("record", "payload", "owner", "deaths", "careful", "crashed", "done", "results"),
    "trouble",
)


def job(job_id: str, part: str) -> str:
    """The key of one part of a job; `part` is one of JOB_PARTS."""
    return f"{PREFIX}job:{job_id}:{part}"


def job_keys(job_id: str) -> list[str]:
    """Every key that a job may have, in the order of JOB_PARTS."""
    return [job(job_id, part) for part in JOB_PARTS]


def worker(worker_id: str) -> str:
    """The heartbeat of one worker parent."""
    return f"{PREFIX}worker:{worker_id}"


def model_card(name: str, version: int) -> str:
    """The serving copy of a version's card."""
    return f"{MODELS}{name}:{version}"


def model_aliases(name: str) -> str:
    """Hash, alias -> version."""
    return f"{PREFIX}aliases:{name}"


def model_history(name: str) -> str:
    """JSON list of every decision on a model's aliases, oldest first."""
    return f"{PREFIX}history:{name}"


def model_sizes(name: str) -> str:
    """Hash, version -> JSON object of file name -> bytes."""
    return f"{PREFIX}sizes:{name}"


def blob(sha256: str) -> str:
    """A model file, by its content."""
    return f"{PREFIX}blob:{sha256}"


def request(request_id: str, part: str) -> str:
    """A part of a request: `state` (hash), `files` (hash, pictures), `input` (a blob)."""
    return f"{PREFIX}request:{request_id}:{part}"
