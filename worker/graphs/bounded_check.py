"""Checks and runs a foreign network in a process with bounds, before any other one loads its bytes.

`python -m worker.graphs.bounded_check` gets a question, and returns what the network is and its
outputs for drawn images, or why it is refused.
"""

from __future__ import annotations

import io
import resource
import signal
import subprocess
import sys

import msgspec
import numpy as np

from shared.errors import MISFITS, SetupError, bounded
from shared.messages.requests import NetworkForm
from worker.classify.resource_limits import used_bytes
from worker.graphs.facts import Described, Facts, Kind, described
from worker.runtimes.imported_graph import Converter, Network, are_probabilities, drawn

#: Memory beyond the file, which the process has in memory once before that.
MEMORY_BYTES = 512 << 20
PROCESSOR_S = 30
#: Numbers for an image: a map of features or tokens that are not pooled has more.
MAX_FEATURES = 4096
#: On a machine that does other work.
WALL_S = 600.0


class Question(msgspec.Struct, frozen=True):
    kind: Kind
    file: bytes
    form: NetworkForm
    is_backbone: bool = False
    output: str = ""


class Checked(msgspec.Struct, frozen=True):
    """A network that passed."""

    network: Described
    outputs: int  #: for an image
    drawn: bytes  #: its outputs for the drawn images, `.npy`


class _Refused(msgspec.Struct, frozen=True, tag="refused"):
    why: str


class _Passed(msgspec.Struct, frozen=True, tag="passed"):
    checked: Checked


def checked(
    kind: Kind, file: bytes, form: NetworkForm, *, is_backbone: bool = False, output: str = ""
) -> Checked:
    """What this file is, after it was opened and run within bounds. A backbone returns features,
    by the output of this name if it has several.

    Raises:
        SetupError: it is refused, in one line.
    """
    question = msgspec.msgpack.encode(Question(kind, file, form, is_backbone, output))
    # Without the current folder, whose files could replace modules.
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(command, input=question, capture_output=True, timeout=WALL_S)
    except subprocess.TimeoutExpired:
        raise SetupError(f"the check of the file did not end in {WALL_S:.0f} s") from None
    if done.returncode:
        raise SetupError(_ended(done.returncode))
    try:
        verdict: _Refused | _Passed = msgspec.msgpack.decode(done.stdout, type=_Refused | _Passed)
    except MISFITS:
        raise SetupError("the check of the file had no result; export it again") from None
    if isinstance(verdict, _Refused):
        raise SetupError(verdict.why)
    return verdict.checked


def _ended(code: int) -> str:
    """Why the process ended with this code."""
    if code == -signal.SIGXCPU:
        return f"the file is refused: its network took more than {PROCESSOR_S} s of a processor"
    name = signal.Signals(-code).name if code < 0 else f"code {code}"
    return f"the file is refused: the process that checked it ended with {name}"


def answer(question: bytes) -> bytes:
    """Check here, within the bounds of this process."""
    wanted = msgspec.msgpack.decode(question, type=Question)
    try:
        return msgspec.msgpack.encode(_Passed(_run(wanted)))
    except SetupError as error:
        why = str(error)
    except MemoryError:
        why = f"the file is refused: its network needs more than {MEMORY_BYTES >> 20} MB beside it"
    except Exception as error:  # the libraries raise exceptions of any class for damaged files
        why = f"the file is refused: {' '.join(str(error).split()) or type(error).__name__}"
    return msgspec.msgpack.encode(_Refused(bounded(why)))


def _run(question: Question) -> Checked:
    facts, network = _opened(question)
    found = described(
        question.kind, facts, question.form,
        is_backbone=question.is_backbone, output=question.output,
    )  # fmt: skip
    spec = found.preprocessing
    converter = Converter(found.imported, network.takes_uint8)
    images = drawn((spec.height, spec.width, spec.channels))
    rows = np.stack([network.row(converter.values(image)) for image in images])
    width = rows.shape[1]
    if question.is_backbone and not 2 <= width <= MAX_FEATURES:
        raise SetupError(
            f"the network returns {width:,} values for an image, and not 2 to {MAX_FEATURES:,} "
            "features; export it with its pooling, and without its last layer"
        )
    if not question.is_backbone and width != len(found.labels):
        raise SetupError(
            f"the network returns {width:,} values, and there are {len(found.labels):,} "
            "labels; give one label for each value, in their order (--labels FILE)"
        )
    if not np.isfinite(rows).all():
        raise SetupError("the network returns values that are not finite; export it in float32")
    # LiteRT's softmax is one over the labels; quantized, each of many shares may round to 0.
    is_rounded = question.kind == "tflite" and found.says_softmax
    if found.imported.is_softmax and not is_rounded and not are_probabilities(rows):
        repair = "leave --output out, or give logits" if question.form.output else "export logits"
        raise SetupError(f"its outputs are no probabilities; {repair}")
    file = io.BytesIO()
    np.save(file, rows)
    return Checked(found, width, file.getvalue())


def _opened(question: Question) -> tuple[Facts, Network]:
    if question.kind == "onnx":
        from worker.graphs import onnx_file
        from worker.runtimes.onnx_runtime import OnnxNetwork

        _limit()
        # Exact products: on another processor the default ones may saturate.
        facts = onnx_file.read(
            question.file, is_backbone=question.is_backbone, output=question.output
        )
        return facts, OnnxNetwork(question.file, question.output, is_exact=True)
    from worker.graphs import tflite_file
    from worker.runtimes.tflite_network import TfliteNetwork

    _limit()
    return tflite_file.read(question.file), TfliteNetwork(question.file)


def _limit() -> None:
    """Set the bounds, once everything is imported and the file is in memory."""
    used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_DATA, used_bytes() + MEMORY_BYTES),
    ):
        resource.setrlimit(kind, (limit, limit))
    # At the hard limit the kernel sends SIGKILL, which names no reason.
    limit_s = int(used_s) + PROCESSOR_S
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))


if __name__ == "__main__":
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
