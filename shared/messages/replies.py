"""The answers to requests, which the producer displays or prints as JSON, and what lies beside
them: the answers of a dataset check to every file, and the images of a folder as short rows of
numbers."""

from __future__ import annotations

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.files import Stamp
from shared.messages.model_card import Metrics, RightOfOthers
from shared.messages.requests import NetworkForm

ROWS_FILE = "rows.msgpack"
FEATURES_FILE = "features.msgpack"
SHA256_BYTES = 32


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
    seconds: float  #: since its request
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
    """The answer to CheckDataset. The rows of the files, CheckedRows, are beside it."""

    data: DataReport
    accuracy: float  #: of the answers out of fold, by the labels of the folders
    error: float  #: standard error of it


class DescribedFolder(msgspec.Struct, frozen=True):
    """The answer to ComputeFeatures. The features, FolderFeatures, are beside it."""

    images: int  #: that could be read
    unreadable: int
    closed: tuple[str, ...]  #: folders that could not be read
    stacks: int  #: near-duplicates count as one
    other_kinds: int = 0  #: images of kinds that are not decoded, such as raw files


class Pruned(msgspec.Struct, frozen=True):
    """The answer to Remove."""

    removed: tuple[int, ...]
    kept: dict[int, str]  #: version -> why it stays
    freed_bytes: int


class CheckedRows(msgspec.Struct, frozen=True):
    """Every file below a folder, in path order.

    Columns are little-endian, as in `BatchResult`: labels out of fold, most probable first. Rows of
    unreadable files hold zeros.
    """

    root: bytes  #: absolute; paths are below it
    card: bytes  #: of a version that was not published, as JSON
    k: int  #: labels of each row
    paths: list[bytes]
    stamps: list[Stamp]
    digests: bytes  #: CRC-32 of each file
    statuses: bytes
    flags: bytes
    indices: bytes
    probabilities: bytes
    #: By row: its label by its folder or a correction, and that label's probability.
    labels: list[int]
    given: list[float]
    wrong: list[float]  #: by row: how probable it is that its label is wrong
    in_test: bytes  #: 1 for rows of the folder's test part
    like: list[int]  #: by row: an earlier row that is a copy or a near-duplicate; -1: none


def encode_rows(rows: CheckedRows) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(rows)


def decode_rows(data: bytes) -> CheckedRows:
    """The inverse of `encode_rows`. Raises BadMessage."""
    try:
        return msgspec.msgpack.decode(data, type=CheckedRows)
    except MISFITS as error:
        raise BadMessage(f"the rows of a dataset check cannot be read ({error})") from error


class FolderFeatures(msgspec.Struct, frozen=True):
    """The readable images below a folder, in path order. Columns are little-endian."""

    root: bytes  #: absolute; paths are below it
    paths: list[bytes]  #: absolute
    digests: bytes  #: SHA-256 of each file
    width: int  #: numbers of each image
    rows: bytes  #: float16 [n, width], the first column varies most
    stacks: bytes  #: uint32 [n], the number of the group of near-duplicates, counted from 0
    unreadable: list[bytes]  #: paths
    statuses: bytes  #: the code of each unreadable file (shared/image_status.py)

    def __len__(self) -> int:
        return len(self.paths)


def encode_features(features: FolderFeatures) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(features)


def decode_features(data: bytes) -> FolderFeatures:
    """The inverse of `encode_features`. Raises BadMessage."""
    try:
        features = msgspec.msgpack.decode(data, type=FolderFeatures)
    except MISFITS as error:
        raise BadMessage(f"the features of a folder cannot be read ({error})") from error
    count = len(features)
    wanted = (SHA256_BYTES * count, 2 * features.width * count, 4 * count)
    if tuple(map(len, (features.digests, features.rows, features.stacks))) != wanted:
        raise BadMessage("the features of a folder are not complete")
    return features
