"""ONNX Runtime: no telemetry, the same answers on every processor, and plain errors."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest

from shared.errors import SetupError
from shared.messages.model_card import ImportedNetwork
from tests.support.models import drawn_networks
from tests.support.models.drawn_networks import Drawn
from tests.support.models.drawn_versions import PLAIN, SIDE, card, outputs, stored
from worker.classify.resource_limits import memory_limit
from worker.runtimes import load_runtime, onnx_runtime
from worker.runtimes.imported_graph import drawn
from worker.runtimes.onnx_runtime import OnnxNetwork
from worker.runtimes.runtime import Classifier

#: One session, and what the process has written, opened and started meanwhile.
SCRIPT = """
import os, sys
import numpy
threads = len(os.listdir("/proc/self/task"))
from worker.runtimes.onnx_runtime import OnnxNetwork
network = OnnxNetwork(open(sys.argv[1], "rb").read(), is_exact=False)
network.row(numpy.zeros((1, 3, 16, 16), numpy.float32))
print(len(os.listdir("/proc/self/task")) - threads)
"""
COLOURS = np.array([[10, 10, 10], [240, 20, 20], [250, 250, 250], [20, 20, 240]], np.uint8)


def load(kind: Drawn, imported: ImportedNetwork, shift: float = 0.0) -> Classifier:
    """The version of a drawn network, whose stored outputs differ by a share of the largest."""
    data = drawn_networks.file(kind)
    known = outputs(imported, data)
    known[0, 0] += shift * np.abs(known).max()
    return load_runtime.load("onnx", card(imported), data, [stored(known)])


def coloured(*colours: np.ndarray) -> np.ndarray:
    return np.stack([np.broadcast_to(colour, (SIDE, SIDE, 3)) for colour in colours])


def test_the_runtime_writes_nothing_opens_no_socket_and_starts_no_thread(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not on this machine")
    home, trace, file = (tmp_path / name for name in ("home", "trace", "model.onnx"))
    home.mkdir()
    file.write_bytes(drawn_networks.file(Drawn()))
    calls = "trace=openat,creat,mkdir,mkdirat,socket"
    done = subprocess.run(
        ["strace", "-f", "-e", calls, "-o", trace, sys.executable, "-B", "-c", SCRIPT, file],
        check=True, capture_output=True, text=True,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.getcwd(),
             "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout == "0\n"
    assert list(home.iterdir()) == []
    changing = re.compile(r"socket\(|mkdir|creat\(|O_WRONLY|O_RDWR|O_CREAT")
    assert [line for line in trace.read_text().splitlines() if changing.search(line)] == []


@pytest.mark.parametrize(
    ("kind", "imported"),
    [
        (Drawn(), PLAIN),
        (Drawn(batch=1), PLAIN),
        (Drawn(batch=3), PLAIN),
        (Drawn(layout="nhwc"), ImportedNetwork("onnx", "0-1")),
        (Drawn(is_softmax=True), msgspec.structs.replace(PLAIN, is_softmax=True)),
        (Drawn(is_bgr=True), msgspec.structs.replace(PLAIN, is_bgr=True)),
        (Drawn(factor=2, offset=-1), msgspec.structs.replace(PLAIN, scale="-1-1")),
        (Drawn(factor=255), msgspec.structs.replace(PLAIN, scale="0-255")),
        (Drawn(takes_uint8=True), msgspec.structs.replace(PLAIN, scale="0-255")),
        (
            drawn_networks.timm(),
            msgspec.structs.replace(
                PLAIN, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
            ),
        ),
    ],
)  # fmt: skip
def test_pixels_become_the_values_that_the_network_takes(
    kind: Drawn, imported: ImportedNetwork
) -> None:
    found = load(kind, imported).predict(coloured(*COLOURS))
    expected = [drawn_networks.probabilities(colour / 255) for colour in COLOURS]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.argmax(1).tolist() == [0, 1, 2, 3]


def test_an_image_has_the_same_bits_in_batches_of_any_size() -> None:
    model, images = load(Drawn(), PLAIN), drawn((SIDE, SIDE, 3))
    whole = model.predict(images)
    for count in (1, 2, 3):
        assert model.predict(images[:count]).tobytes() == whole[:count].tobytes()


def test_a_session_with_other_outputs_is_opened_again_with_exact_products_then_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[bool] = []

    class Recorded(OnnxNetwork):
        def __init__(self, artifact: bytes, output: str = "", *, is_exact: bool) -> None:
            super().__init__(artifact, output, is_exact=is_exact)
            opened.append(is_exact)

    monkeypatch.setattr(onnx_runtime, "OnnxNetwork", Recorded)
    load(Drawn(), PLAIN, shift=0.0009)
    assert opened == [False]
    with pytest.raises(SetupError, match=r"^mine@0 returns other values on this processor") as why:
        load(Drawn(), PLAIN, shift=0.0011)
    assert opened == [False, False, True]
    assert "\n" not in str(why.value)


def _endless() -> bytes:
    """The header of an array that no memory holds."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 4)}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def _archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, values=np.zeros((4, 4), np.float32))
    return file.getvalue()


BESIDE = {
    "empty": b"",
    "no array": b"no array",
    "of another form": stored(np.zeros((4, 9), np.float32)),
    "an archive": _archive(),
    "text": stored(np.full((4, 4), "1")),
    "doubles": stored(np.zeros((4, 4), np.float64)),
    "endless": _endless(),
    "not finite": stored(np.full((4, 4), np.nan, np.float32)),
    "with more": stored(np.zeros((4, 4), np.float32)) + b"more",
    "no header": b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_outputs_that_do_not_fit_are_refused_in_one_line(beside: bytes) -> None:
    with pytest.raises(SetupError, match=r"^mine@0 cannot be loaded .*; publish it again$"):
        load_runtime.load("onnx", card(), drawn_networks.file(Drawn()), [beside])


def test_a_network_of_other_shapes_than_its_cards_is_refused() -> None:
    data = drawn_networks.file(Drawn(batch=1))
    known = stored(outputs(PLAIN, data))
    with pytest.raises(SetupError, match=r"^mine@0 cannot be loaded .*; publish it again$"):
        load_runtime.load("onnx", card(side=8), data, [known])


def test_onnx_runtimes_own_format_which_no_check_reads_is_not_loaded(tmp_path: Path) -> None:
    file, options = tmp_path / "model.ort", onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(file)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(
        drawn_networks.file(Drawn()), options, providers=["CPUExecutionProvider"]
    )
    with pytest.raises(ValueError, match="protobuf"):
        OnnxNetwork(file.read_bytes(), is_exact=False)


def test_a_lack_of_memory_is_a_plain_error() -> None:
    network = OnnxNetwork(drawn_networks.convolution(), is_exact=False)
    with memory_limit(64 << 20), pytest.raises(MemoryError, match=r"^ONNX Runtime lacks memory$"):
        network.row(np.zeros((1, 3, 512, 512), np.float32))
