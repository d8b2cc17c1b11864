"""The answers to requests: plain data, which the producer displays or prints as JSON."""

from __future__ import annotations

import msgspec

from shared.messages.model_card import Metrics, RightOfOthers
from shared.messages.requests import NetworkForm


class Evaluation(msgspec.Struct, frozen=True):
    """Figures of a model over `count` labelled images. Fractions 0 to 1; loss in nats per image."""

    count: int
    accuracy: float
    loss: float
    ece: float
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()  #: [true][predicted], counts


class DataReport(msgspec.Struct, frozen=True):
    """The content of a data set, and the files that could not be used."""

    name: str
    shape: tuple[int, int, int]  #: height, width, channels of the network's input
    labels: tuple[str, ...]
    training: tuple[int, ...]  #: training images of each label
    heldout: tuple[int, ...]  #: images of each label for model selection and calibration
    test: tuple[int, ...]  #: images of each label for the final test; zeros if there are none
    unreadable: tuple[str, ...] = ()  #: paths below the folder, the first thousand
    unreadable_count: int = 0
    notes: tuple[str, ...] = ()  #: imbalance, duplicates, ...
    #: `PATH: like PATH` for images that are nearly the same, the first thousand.
    duplicates: tuple[str, ...] = ()
    duplicates_count: int = 0
    duplicates_are_copies: bool = False  #: these are the same pixel by pixel


class Decided(msgspec.Struct, frozen=True):
    """A decision on an alias, and its reason."""

    alias: str
    version: int  #: that the alias stands for now
    before: int | None
    changed: bool
    why: str


class Trained(msgspec.Struct, frozen=True):
    """The answer to Train and Import."""

    model: str  #: name@version
    metrics: Metrics
    decision: Decided
    seconds: float
    data: DataReport | None = None
    heldout_error: float = 0.0  #: standard error of the held-out accuracy; 0: not estimated
    corrections: int = 0  #: labels that people gave and that it learned from
    earlier_corrections: int = 0  #: of these, or left out: of earlier versions of the model
    right_of_others: RightOfOthers | None = None  #: as on its card


class TriedForm(msgspec.Struct, frozen=True):
    """How often a network was right with one form of its input and output."""

    form: NetworkForm
    accuracy: float
    loss: float  #: nats per image, with the best temperature for these


class Tried(msgspec.Struct, frozen=True):
    """The answer to ImportNetwork with `data`: the best form first."""

    images: int
    forms: tuple[TriedForm, ...]


class Evaluated(msgspec.Struct, frozen=True):
    """The answer to Evaluate."""

    model: str
    data: DataReport
    evaluation: Evaluation
    split: str  #: the evaluated part: `test` if there is one, otherwise `heldout` or `all`


class CheckedDataset(msgspec.Struct, frozen=True):
    """The answer to CheckDataset. The rows of the files are beside it (request_files.py)."""

    data: DataReport
    accuracy: float  #: of the answers out of fold, by the labels of the folders
    error: float  #: standard error of it


class DescribedFolder(msgspec.Struct, frozen=True):
    """The answer to ComputeFeatures. The features are beside it (request_files.py)."""

    images: int  #: that could be read
    unreadable: int
    closed: tuple[str, ...]  #: folders that could not be read
    stacks: int  #: near-duplicates count as one
    other_kinds: int = 0  #: images of kinds that are not decoded, such as raw files


class Pruned(msgspec.Struct, frozen=True):
    """The answer to Prune and Remove."""

    removed: tuple[int, ...]
    kept: dict[int, str]  #: version -> why it stays
    freed_bytes: int
