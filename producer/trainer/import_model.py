"""`hangtag models import` and `calibrate`: a classifier of another tool, for the trainer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from producer.present.events import Events
from producer.present.formatting import counted, percent, typed
from producer.trainer.check_class_folders import check_class_folders
from producer.trainer.client import make_request
from producer.trainer.submit import data_place, submit
from producer.trainer.train import summary
from shared import regular_file
from shared.errors import UsageError
from shared.labels import network_labels
from shared.labels.network_labels import MAX_LABEL_CHARS, MAX_LABELS
from shared.messages import model_name
from shared.messages.model_card import Scale
from shared.messages.replies import Trained, Tried
from shared.messages.requests import Calibrate, Import, ImportNetwork, NetworkForm
from shared.messages.training import Rule
from shared.settings import Settings
from shared.stop import Stop

SUFFIX = ".keras"
#: The file is sent through Redis, like images.
MAX_FILE_BYTES = 64 << 20
#: That of ResNet-50 in float32 has 98 MiB. A check in 512 MB holds three copies and no more.
MAX_ONNX_BYTES = 128 << 20
_SAVE = f"model.save('model{SUFFIX}')"
#: How to get a file that can be imported, by the ending of what was named.
_ADVICE = {
    suffix: f"model = keras.models.load_model('model{suffix}') loads it in Keras 3, then {_SAVE}"
    for suffix in (".h5", ".hdf5")
} | {
    ".pb": f"it has no Keras network: save the one it was exported from with {_SAVE}",
}
_OTHER = f"save the network with {_SAVE}, or export it as .onnx or .tflite"
#: Of networks that need no TensorFlow.
KINDS: dict[str, Literal["onnx", "tflite"]] = {".onnx": "onnx", ".tflite": "tflite"}
#: Beside a `.tflite` file of Teachable Machine.
LABELS_FILE = "labels.txt"
#: Values as images have them.
WHOLE: Scale = "0-255"
Precision = Literal["auto", "fp32", "int8"]


class ImportArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What is given of an import; the rest is read from the file, or has its default."""

    name: str
    labels: Path | None = None
    form: NetworkForm = NetworkForm()
    check: str = ""  #: labelled images with which forms are tried
    data: str = ""
    promote: Rule = "never"
    precision: Precision = "auto"


def import_model(
    settings: Settings,
    file: Path,
    given: ImportArguments,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Trained | Tried:
    """Publish the classifier in a file, or with `check` only try what fits it.

    Raises:
        UsageError: a file has the wrong type or is too large, or an option is not for it.
        SetupError, Stopped: the network is refused; or as `submit`.
    """
    model_name.checked(given.name, option="--name")
    content = read_file(file, MAX_ONNX_BYTES if file.suffix == ".onnx" else MAX_FILE_BYTES)
    if file.suffix not in (SUFFIX, *KINDS):
        raise UsageError(f"{file} is not a {SUFFIX} file; {_ADVICE.get(file.suffix, _OTHER)}")
    sha256 = hashlib.sha256(content).hexdigest()
    work: Import | ImportNetwork
    if file.suffix == SUFFIX:
        work = _of_keras(settings, sha256, given)
    else:
        work = _of_network(settings, file, sha256, given)
    if work.data:
        check_class_folders(work.data, "evaluate", settings, events=events, stop=stop)
    outcome = submit(settings, make_request(work), input=content, events=events, stop=stop)
    return outcome.decode(Tried) if given.check else outcome.decode(Trained)


def _of_keras(settings: Settings, sha256: str, given: ImportArguments) -> Import:
    form = given.form
    if given.labels is None or form != NetworkForm(scale=form.scale) or given.check:
        raise UsageError(
            f"a {SUFFIX} file needs --labels FILE, and of its input only --scale can be given: "
            "have the network do the rest"
        )
    if given.precision == "int8" and not given.data:
        raise UsageError(
            "--precision int8 needs labelled images; name them with --data DIR, "
            "or leave out --precision"
        )
    return Import(
        name=given.name,
        labels=read_labels(given.labels, is_numbered=False),
        sha256=sha256,
        scale=form.scale or WHOLE,
        promote=given.promote,
        data=data_place(given.data, settings) if given.data else "",
        precision=given.precision,
    )


def _of_network(
    settings: Settings, file: Path, sha256: str, given: ImportArguments
) -> ImportNetwork:
    if given.data or given.precision != "auto":
        raise UsageError(
            f"--data and --precision are for {SUFFIX} files; import it without, and calibrate it "
            f"with: hangtag models calibrate {given.name} --data DIR"
        )
    labels, beside = given.labels, file.with_name(LABELS_FILE)
    if labels is None and file.suffix == ".tflite" and beside.is_file():
        labels = beside
    named = () if labels is None else read_labels(labels)
    return ImportNetwork(
        name=given.name,
        kind=KINDS[file.suffix],
        sha256=sha256,
        form=msgspec.structs.replace(given.form, labels=named),
        promote=given.promote,
        data=data_place(given.check, settings) if given.check else "",
    )


def read_labels(path: Path, *, is_numbered: bool = True) -> tuple[str, ...]:
    """Labels in the order of the network's outputs, one per line, UTF-8; numbers before them are
    left out if it `is_numbered`.

    Raises:
        UsageError: the file is not such a list.
    """
    try:
        text = read_file(path, MAX_LABELS * MAX_LABEL_CHARS).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8; save the labels as UTF-8, one per line") from None
    labels = network_labels.parsed(text) if is_numbered else network_labels.listed(text)
    if why := network_labels.fault(labels):
        raise UsageError(f"{path}: {why}; give one label for each output, one per line")
    return labels


def lines(
    trained: Trained, settings: Settings, file: Path, scale: str, room: int | None = None
) -> list[str]:
    """The result of an import as lines of text; `scale` as given, or empty."""
    training = summary(settings, trained, room)
    if trained.metrics.heldout_count:
        return training
    if file.suffix == SUFFIX:
        lacks = ["not evaluated and not calibrated; for both, give labelled images with --data"]
        if scale in ("", WHOLE):
            wrong = "its images have values of 0 to 255; for a network that learned from x/255: "
            lacks.append(f"{wrong}--scale 0-1")
    else:
        calibrate = typed(["hangtag", "models", "calibrate", trained.model, "--data", "DIR"])
        lacks = [
            "nothing was checked; what fits labelled images: the same command with --check DIR",
            f"its confidence is not calibrated; calibrate it with: {calibrate}",
        ]
    return [training[0], *lacks, *training[1:]]


def tried_lines(tried: Tried, file: Path, given: ImportArguments) -> list[str]:
    """The forms that were tried as a table, the best first, and the command that imports so."""
    options = [_options(one.form) for one in tried.forms]
    width = max(map(len, ["options", *options]))
    rows = [f"  {'options':<{width}}  right    loss"]
    rows += [
        f"  {typed_options:<{width}}  {percent(one.accuracy):>5}  {one.loss:6.3f}"
        for typed_options, one in zip(options, tried.forms, strict=True)
    ]
    labels = [] if given.labels is None else ["--labels", str(given.labels)]
    command = ["hangtag", "models", "import", str(file), "--name", given.name, *labels]
    equal = sum(one.accuracy == tried.forms[0].accuracy for one in tried.forms) - 1
    more = [f"{counted(equal, 'other')} as often right: try more images"] if equal else []
    return [
        f"nothing is published; {tried.images:,} labelled images were tried, the best first",
        *rows,
        *more,
        f"import it with: {' '.join([typed(command), options[0]]).rstrip()}",
    ]


def _options(form: NetworkForm) -> str:
    """As they are typed."""
    given = {
        "scale": form.scale,
        "mean": ",".join(f"{value:g}" for value in form.mean),
        "std": ",".join(f"{value:g}" for value in form.std),
        "layout": form.layout,
        "channels": form.channels if form.channels != "rgb" else "",
        "size": str(form.size or ""),
        "output": form.output,
    }
    return " ".join(f"--{name}={value}" for name, value in given.items() if value)


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a file. Raises UsageError: it cannot be read, or is larger than the limit."""
    try:
        with regular_file.open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > limit else file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; check the path") from None
    if max(size, len(data)) > limit:
        raise UsageError(f"{path} has {size:,} bytes; the limit is {limit:,}")
    return data


def calibrate(
    settings: Settings,
    model: str,
    data: str,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Trained:
    """Publish a version of the same files whose confidence fits these images.

    Raises:
        SetupError, Stopped: as `submit`.
    """
    place = data_place(data, settings)
    check_class_folders(place, "evaluate", settings, events=events, stop=stop)
    outcome = submit(settings, make_request(Calibrate(model, place)), events=events, stop=stop)
    return outcome.decode(Trained)
