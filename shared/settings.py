"""Settings. Precedence: command-line option > environment (`HANGTAG_...`) > default."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

import msgspec

from shared.errors import SetupError

#: A claim outlives the time limit of its work by this.
CLAIM_SLACK_S = 30.0
PREFIX = "HANGTAG_"


class Settings(msgspec.Struct, frozen=True):
    """Every value that the environment can set. Times are in seconds, and set by tests alone."""

    redis_url: str = ""  #: the broker; empty: this machine's stack
    redis_user: str = ""  #: user at the broker (docs/security.md); empty: that of the URL
    redis_password_file: str = ""  #: one line; keeps the password out of the URL
    redis_ca: str = ""  #: PEM file: authority that signed the server's certificate
    redis_cert: str = ""  #: PEM file: client certificate, if the server requires one
    redis_key: str = ""  #: PEM file: key of the client certificate
    redis_insecure: str = ""  #: 1: allow a missing password or an unverified certificate
    log_json: str = ""  #: 1: workers, trainer, metrics and supervisor log JSON (docs/monitoring.md)
    local_addresses: str = ""  #: 1: web addresses may lead to this machine (docs/remote-images.md)
    model: str = ""  #: the model of commands that name none; empty: that of `hangtag models use`
    store: str = ""  #: folder of the model registry; empty: in the user's data folder
    runtime_dir: str = ""  #: folder of this machine's stacks; empty: /tmp/hangtag-UID
    #: Root folder of `--transport path`. A worker opens only files below it; empty: none. A
    #: producer removes it from the paths that it sends; empty: /
    root: str = ""
    #: Limits of one message. With images of 28x28, messages of 4,096 take 6 % less processor time
    #: than those of 2,048, and these 10 to 20 % less total time than those of 1,024; with photos of
    #: 170 kB the same holds for 2 MiB against 1 MiB.
    batch_images: int = 4096
    batch_bytes: int = 2 << 20
    #: Memory limit of one batch beyond its child's own. One image takes at most 0.8 GB
    #: (worker/decoding/size_limits.py), unless a decoder is faulty.
    child_memory_mb: int = 3072
    #: Interval of a worker's heartbeats (worker/lifecycle/heartbeat_thread.py).
    heartbeat_s: float = 5.0
    #: A worker without a heartbeat for this long is dead.
    heartbeat_ttl_s: float = 15.0
    #: A hint is sent again for a batch that was not claimed for this long
    #: (producer/run/reconciler.py).
    orphan_s: float = 10.0
    #: A child that works longer than this on one batch is killed (a hung decoder).
    batch_limit_s: float = 120.0
    #: The same for one image of a batch that is classified carefully.
    careful_limit_s: float = 20.0
    #: An idle worker that receives no hint for this long although hints wait restarts itself.
    watchdog_s: float = 60.0
    #: A worker that had access and is refused later (a new password, other rights) retries for
    #: this long before it ends. One that is refused at its start ends at once.
    refused_s: float = 60.0
    #: A health check reports a worker as stuck after this long without a beat of its pulse. One
    #: beat takes up to 45 s while Redis is unreachable.
    health_limit_s: float = 120.0
    #: A worker evicts a model version that no batch has used for this long, except the last one.
    model_unused_s: float = 60.0
    #: Keys of a job outlive the producer's last heartbeat by this long.
    job_ttl_s: float = 86_400.0
    #: Interval at which a trainer polls for waiting requests: a hint may be lost, or its trainer
    #: dead.
    round_s: float = 5.0
    #: This machine's stack ends after this long without jobs or clients.
    stack_idle_s: float = 60.0
    #: The stack's trainer ends after this long without a request.
    trainer_idle_s: float = 20.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from `HANGTAG_...` variables.

        Raises:
            SetupError: a variable is invalid.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, object] = {}
        for name, kind in get_type_hints(cls).items():
            text = environ.get(PREFIX + name.upper())
            if text:
                values[name] = _convert(PREFIX + name.upper(), text, kind)
        return cls(**values)  # type: ignore[arg-type]

    @property
    def claim_limit_s(self) -> float:
        """How long a claim may be held without a renewal."""
        return max(self.batch_limit_s, self.careful_limit_s) + CLAIM_SLACK_S

    @property
    def has_json_logs(self) -> bool:
        """Whether logs have one JSON object a line: `log_json` as a boolean.

        Raises:
            SetupError: the setting is neither 1 nor 0.
        """
        return _is_on("LOG_JSON", self.log_json)

    @property
    def allows_local_addresses(self) -> bool:
        """Whether web addresses of images may lead to this machine and its link.

        Raises:
            SetupError: the setting is neither 1 nor 0.
        """
        return _is_on("LOCAL_ADDRESSES", self.local_addresses)

    @property
    def store_path(self) -> Path:
        """The registry's folder."""
        if self.store:
            return Path(self.store)
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
        return Path(data) / "hangtag/models"


def _is_on(name: str, value: str) -> bool:
    if value not in ("", "0", "1"):
        raise SetupError(f"{PREFIX}{name} is 1 or 0; unset or change it")
    return value == "1"


def _convert(variable: str, text: str, kind: type) -> object:
    try:
        value = kind(text)
    except ValueError:
        raise SetupError(f"{variable}={text!r} is not a number; unset it or give one") from None
    if kind is not str and not 0 < value < math.inf:
        raise SetupError(f"{variable}={text!r} must be above 0 and finite; unset or change it")
    return value
