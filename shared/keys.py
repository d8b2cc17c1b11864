"""Names of queues and keys in Redis. All of them start with `hangtag:` and a protocol number."""

from __future__ import annotations

#: Raised with each change that another version would misread: processes see only their own number.
#: The scripts of the ledger and deploy/redis/users.acl have the same one. 0.2.0 had none.
PROTOCOL = 3
PREFIX = f"hangtag:{PROTOCOL}:"
CLASSIFY_QUEUE = PREFIX + "classify"
TRAIN_QUEUE = PREFIX + "train"
MODELS = PREFIX + "model:"  #: prefix of a serving copy's name and version
BLOBS = PREFIX + "blob:"  #: prefix of the copies of files
JOBS = PREFIX + "jobs"  #: zset, job id -> the producer's last heartbeat (server time, s)
REQUESTS = PREFIX + "requests"  #: zset, id of an open request -> its creation (server time, s)
WORKERS = PREFIX + "workers"  #: zset, worker id -> last heartbeat (server time, s)
#: The same of workers of 0.2.0, and the prefix of their heartbeats; only read.
WORKERS_0_2_0, WORKER_0_2_0 = "hangtag:workers", "hangtag:worker:"

#: The keys that a job may have. Finishing a job deletes exactly these.
JOB_PARTS = (
    *("record", "payload", "owner", "deaths", "careful", "crashed", "done", "results"),
    "trouble",
)


def job(job_id: str, part: str) -> str:
    """The key of one part of a job; `part` is in JOB_PARTS."""
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
    """JSON list of all decisions on a model's aliases, oldest first."""
    return f"{PREFIX}history:{name}"


def model_sizes(name: str) -> str:
    """Hash, version -> JSON object of file name -> bytes."""
    return f"{PREFIX}sizes:{name}"


def blob(sha256: str, part: int = 0) -> str:
    """A part of a model file, by its content."""
    return f"{BLOBS}{sha256}:{part}"


def request(request_id: str, part: str) -> str:
    """A part of a request: `state` (hash), `files` (hash, plots), `input` (a blob)."""
    return f"{PREFIX}request:{request_id}:{part}"
