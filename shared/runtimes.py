"""The table of runtimes: what computes a network, and the file of a version that it loads."""

from __future__ import annotations

import msgspec

from shared import installation
from shared.errors import SetupError, row_named


class RuntimeKind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `worker/runtimes/NAME_runtime.py` has its function `graph`."""

    name: str  #: as of --runtime
    artifact: str  #: the file of a version that it loads
    module: str  #: that it imports
    package: str  #: that has this module, as pip calls it
    extra: str  #: of Hangtag, which installs it
    #: The share of Redis' memory for all copies, if one is such a file: producers pause at 0.7
    #: (producer/dispatch/window.py), so copies alone never stop a job.
    copies_share: float
    about: str = ""  #: in the help
    of_looks: bool = False  #: for versions whose card has looks: no option names it

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
            copies_share=0.5,
        ),
        RuntimeKind(
            name="tensorflow",
            artifact="model.keras",
            module="tensorflow",
            package="tensorflow",
            extra="tensorflow",
            # Its files are the largest, and few workers need them: beside them there is room for
            # twice as many versions for LiteRT.
            copies_share=0.25,
            about="tensorflow is for GPU workers",
        ),
        RuntimeKind(
            # LiteRT, and a head in NumPy behind each backbone.
            name="photo",
            artifact="heads.npz",
            module="ai_edge_litert",
            package="ai-edge-litert",
            extra="worker",
            copies_share=0.5,
            of_looks=True,
        ),
    )
}
LITERT, TENSORFLOW, PHOTO = RUNTIMES["litert"], RUNTIMES["tensorflow"], RUNTIMES["photo"]
#: Of --runtime.
CHOICES = tuple(row.name for row in RUNTIMES.values() if not row.of_looks)
#: What CPU workers use, and what versions are measured with.
DEFAULT = LITERT
#: The file of a version with what recognizes images unlike those that it has learned from; every
#: runtime loads it beside the network.
OUTLIERS = "outliers.npz"
#: The file of a version with its answers to held-out images (worker/evaluation/heldout_answers.py).
HELDOUT = "heldout.npz"
_HELP = "hangtag classify --help"
ABOUT = "; ".join(row.about for row in RUNTIMES.values() if row.about)


def serving(name: str, has_looks: bool) -> RuntimeKind:
    """What computes a version in a job with the runtime `name`.

    Raises:
        SetupError: there is no such runtime, or it has none for photos.
    """
    row = find(name)
    if not has_looks:
        return row
    if row is not DEFAULT:
        raise SetupError(
            f"versions of photos run on processors only, not with {name}; leave --runtime out"
        )
    return PHOTO


def find(name: str) -> RuntimeKind:
    """The runtime with this name.

    Raises:
        SetupError: there is none.
    """
    if name not in RUNTIMES:
        row_named({name: RUNTIMES[name] for name in CHOICES}, "runtime", name, _HELP)
    return RUNTIMES[name]
