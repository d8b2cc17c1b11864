"""What requests are answered with: plain data, shown by the producer or printed as JSON."""

from __future__ import annotations

import msgspec

from shared.messages.model_card import Metrics


class Evaluation(msgspec.Struct, frozen=True):
    """Figures of a model over `count` labelled images. Fractions 0 to 1; loss in nats per image."""

    count: int
    accuracy: float
    loss: float
    ece: float
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()  #: [true][predicted], counts


class DataReport(msgspec.Struct, frozen=True):
    """What a data set holds, and what of it could not be used."""

    name: str
    shape: tuple[int, int, int]  #: height, width, channels as the network sees it
    labels: tuple[str, ...]
    training: tuple[int, ...]  #: images of each label to learn from
    heldout: tuple[int, ...]  #: to choose and calibrate
    test: tuple[int, ...]  #: read once, at the end; zeros where there are none
    unreadable: tuple[str, ...] = ()  #: paths below the folder, the first thousand
    unreadable_count: int = 0
    notes: tuple[str, ...] = ()  #: imbalance, duplicates, ...


class Decided(msgspec.Struct, frozen=True):
    """What became of an alias, and why."""

    alias: str
    version: int  #: that it stands for now
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


class Evaluated(msgspec.Struct, frozen=True):
    """The answer to Evaluate."""

    model: str
    data: DataReport
    evaluation: Evaluation
    split: str  #: what was measured: `test`, else `heldout`, else `all`


class Pruned(msgspec.Struct, frozen=True):
    """The answer to Prune."""

    removed: tuple[int, ...]
    kept: dict[int, str]  #: version -> why it stays
    freed_bytes: int
