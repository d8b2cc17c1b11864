"""Settings. Precedence: command-line option > environment (`HANGTAG_...`) > default."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

import msgspec

from shared.errors import SetupError

PREFIX = "HANGTAG_"
#: A claim lives this much longer than the work that it is for may take.
CLAIM_SLACK_S = 30.0


class Settings(msgspec.Struct, frozen=True):
    """Every number and place that can be set from outside.

    The times are settings so that tests can be quick; the defaults are what people run.
    """

    redis_url: str = ""  #: the broker; empty: this machine's stack
    redis_user: str = ""  #: who we are there (docs/security.md); empty: as the URL says
    redis_password_file: str = ""  #: one line; so that the URL need not hold it
    redis_ca: str = ""  #: PEM file: who is trusted to have signed the server's certificate
    redis_cert: str = ""  #: PEM file: our own certificate, where the server asks for one
    redis_key: str = ""  #: PEM file: its key
    redis_insecure: str = ""  #: 1: no password, or no verified certificate, is all right
    celery_events: str = ""  #: 1: workers may be looked at with Flower (docs/security.md)
    store: str = ""  #: folder of the model registry; empty: in the user's data folder
    runtime_dir: str = ""  #: folder of this machine's stacks; empty: the user's runtime folder
    #: Whose stack there; empty: that of the environment that runs and of what it has
    #: (shared/installation.py). A stack gives it to its processes.
    installation: str = ""
    #: Folder that `--transport path` counts from. A worker opens files below it and no others;
    #: empty: none. A producer cuts it off the paths that it sends; empty: /
    root: str = ""
    #: One message. Of 28x28 pictures, messages of 2,048 cost 10 to 20 % less of the whole than
    #: those of 1,024, and of photos of 170 kB, messages of 2 MiB as much less than those of 1.
    batch_images: int = 2048
    batch_bytes: int = 2 << 20
    heartbeat_s: float = 5.0
    heartbeat_ttl_s: float = 15.0
    #: A batch nobody has claimed for this long is hinted again.
    orphan_s: float = 10.0
    #: A child that works longer than this on one batch is ended (a hung decoder).
    batch_limit_s: float = 120.0
    #: The same for one image of a batch that is classified carefully.
    careful_limit_s: float = 20.0
    #: What one batch may take of memory beside what its child has anyway. One picture takes 0.8 GB
    #: at most (worker/decoding/limits.py), unless a decoder has a fault.
    child_memory_mb: int = 3072
    #: A worker that takes no hint for so long, with nothing to do and hints waiting, begins anew.
    watchdog_s: float = 60.0
    #: A worker that was let in and is refused later (a new password, other rights) tries again for
    #: this long before it ends. One that is refused at its start ends at once.
    refused_s: float = 60.0
    #: A health check takes a worker for stuck whose pulse stood still for so long. A turn of it
    #: takes up to 45 s where Redis does not answer.
    health_limit_s: float = 120.0
    #: A worker lets a model version go that no batch has asked for in this time, but the last one.
    model_unused_s: float = 60.0
    #: Keys of a job outlive the producer's last sign of life by this long.
    job_ttl_s: float = 86_400.0
    #: A trainer that has not renewed its lease for so long has lost its request to the next.
    lease_s: float = 30.0
    #: A trainer looks so often for requests that wait: a hint may be lost, or its trainer dead.
    round_s: float = 5.0
    #: This machine's stack ends after so long without jobs or clients.
    idle_s: float = 60.0
    #: The stack's trainer ends after so long without a request.
    trainer_idle_s: float = 20.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from `HANGTAG_...` variables.

        Raises:
            SetupError: a variable does not have the form of its setting.
        """
        environ = os.environ if environ is None else environ
        found: dict[str, object] = {}
        for name, kind in get_type_hints(cls).items():
            text = environ.get(PREFIX + name.upper())
            if text:
                found[name] = _convert(PREFIX + name.upper(), text, kind)
        return cls(**found)  # type: ignore[arg-type]

    @property
    def events(self) -> bool:
        """Whether workers say what they do, and answer a monitor that asks.

        Raises:
            SetupError: the setting is neither 1 nor 0.
        """
        if self.celery_events not in ("", "0", "1"):
            raise SetupError("HANGTAG_CELERY_EVENTS is 1 or 0; unset or change it")
        return self.celery_events == "1"

    @property
    def claim_limit_s(self) -> float:
        """How long a claim may be held without a sign of life."""
        return max(self.batch_limit_s, self.careful_limit_s) + CLAIM_SLACK_S

    @property
    def store_path(self) -> Path:
        """The registry's folder."""
        if self.store:
            return Path(self.store)
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
        return Path(data) / "hangtag/models"


def _convert(variable: str, text: str, kind: type) -> object:
    try:
        value = kind(text)
    except ValueError:
        raise SetupError(f"{variable}={text!r} is not a number; unset it or give one") from None
    if kind is not str and not 0 < value < math.inf:
        raise SetupError(f"{variable}={text!r} must be above 0 and finite; unset or change it")
    return value
