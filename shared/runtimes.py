"""The table of runtimes: what computes a network, and the file of a version that it loads."""

from __future__ import annotations

import msgspec

from shared import installation, keys
from shared.errors import SetupError, row_named


class RuntimeKind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `worker/runtimes/NAME_runtime.py` has its function `graph`."""

    name: str  #: as of --runtime
    artifact: str  #: the file of a version that it loads
    module: str  #: that it imports
    package: str  #: that has this module, as pip calls it
    extra: str  #: of Hangtag, which installs it
    about: str = ""  #: in the help
    is_chosen: bool = True  #: by --runtime; otherwise by the version, which has no other one
    beside: str = ""  #: a further file that it loads

    @property
    def queue(self) -> str:
        """Of hints to workers that have it."""
        return keys.CLASSIFY_QUEUE + ("" if self.is_everywhere else f":{self.name}")

    @property
    def is_everywhere(self) -> bool:
        """Whether every worker has it."""
        return self.extra == "worker"

    @property
    def is_available(self) -> bool:
        """Whether its package is installed. Nothing is imported."""
        return not self.missing

    @property
    def missing(self) -> str:
        """A line with the command that installs it; empty if it is installed."""
        return installation.missing({self.module: self.package}, self.extra)

    @property
    def command(self) -> str:
        """The command that installs it."""
        return installation.command(self.extra, [self.package])


RUNTIMES = {
    row.name: row
    for row in (
        RuntimeKind(
            name="litert",
            artifact="model.tflite",
            module="ai_edge_litert",
            package="ai-edge-litert",
            extra="worker",
        ),
        RuntimeKind(
            name="tensorflow",
            artifact="model.keras",
            module="tensorflow",
            package="tensorflow",
            extra="tensorflow",
            about="tensorflow is for GPU workers",
        ),
        RuntimeKind(
            # LiteRT, and a head in NumPy behind each backbone.
            name="photo",
            artifact="heads.npz",
            module="ai_edge_litert",
            package="ai-edge-litert",
            extra="worker",
            is_chosen=False,
        ),
        RuntimeKind(
            name="onnx",
            artifact="model.onnx",
            module="onnxruntime",
            package="onnxruntime",
            extra="onnx",
            is_chosen=False,
            beside="drawn.npy",
        ),
    )
}
LITERT, TENSORFLOW, PHOTO, ONNX = (
    RUNTIMES[name] for name in ("litert", "tensorflow", "photo", "onnx")
)
#: Of --runtime.
CHOICES = tuple(row.name for row in RUNTIMES.values() if row.is_chosen)
#: What CPU workers use, and what versions are measured with.
DEFAULT = LITERT
#: Of the files of backbones, one for each look of a version of photos.
BACKBONE_SUFFIX = ".tflite"
#: The file of a version with what recognizes images unlike those that it has learned from; every
#: runtime loads it beside the network.
OUTLIERS = "outliers.npz"
#: The file of a version with its answers to held-out images (worker/evaluation/heldout_answers.py).
HELDOUT = "heldout.npz"
#: The queues of all hints to classify, the one that each worker consumes first.
QUEUES = tuple(dict.fromkeys(row.queue for row in RUNTIMES.values()))
_HELP = "hangtag classify --help"
ABOUT = "; ".join(row.about for row in RUNTIMES.values() if row.about)


def serving(name: str, only: str) -> RuntimeKind:
    """What computes a version in a job with the runtime `name`. `only`: the one that its files are
    for (`Card.only_runtime`).

    Raises:
        SetupError: there is no such runtime, or the version runs in another one.
    """
    row = find(name)
    if not only or name == only:
        return row
    if row is not DEFAULT:
        raise SetupError(
            f"this version runs on processors only, not with {name}; leave --runtime out"
        )
    return RUNTIMES[only]


def find(name: str) -> RuntimeKind:
    """The runtime with this name.

    Raises:
        SetupError: there is none.
    """
    if name not in RUNTIMES:
        row_named({name: RUNTIMES[name] for name in CHOICES}, "runtime", name, _HELP)
    return RUNTIMES[name]


def installed() -> list[RuntimeKind]:
    """Those whose packages this process has. Nothing is imported."""
    return [row for row in RUNTIMES.values() if row.is_available]
