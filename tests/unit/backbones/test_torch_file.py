"""The reader of old PyTorch files: it returns their arrays, and runs nothing that they name."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backbones import torch_files
from tests.support.backbones.torch_files import Call, Reference, tensor
from worker.backbones import torch_file
from worker.backbones.torch_file import NotTensors

WHOLE = torch_files.encode(torch_files.float_arrays())
VALUES = np.arange(6, dtype=np.float32).tobytes()


def test_it_returns_the_arrays_that_were_written() -> None:
    found = torch_file.read(WHOLE)
    expected = torch_files.float_arrays()
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_tensors_may_share_a_storage() -> None:
    tensors = OrderedDict(
        first=tensor("s", "FloatStorage", 6, 0, (2,), (1,)),
        second=tensor("s", "FloatStorage", 6, 2, (2, 2), (2, 1)),
    )
    found = torch_file.read(torch_files.assemble(tensors, {"s": VALUES}))
    assert found["first"].tolist() == [0, 1]
    assert found["second"].tolist() == [[2, 3], [4, 5]]


@pytest.mark.parametrize("part", range(5))
def test_a_file_that_names_a_function_does_not_run_it(part: int, tmp_path: Path) -> None:
    """In each of its five pickles."""
    trace = tmp_path / "ran"
    file = io.BytesIO()
    for number, one in enumerate((torch_file.MAGIC, torch_file.PROTOCOL, {}, OrderedDict(), [])):
        torch_files.dump(file, Call(os.__name__, "mkdir", str(trace)) if number == part else one)
    with pytest.raises(NotTensors, match=r"it refers to (posix|os|nt)\.mkdir"):
        torch_file.read(file.getvalue())
    assert not trace.exists()


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "__import__", "compile"])
def test_builtin_functions_are_refused(name: str) -> None:
    tensors = OrderedDict(a=Call("builtins", name, "1"))
    with pytest.raises(NotTensors, match=rf"builtin\w*\.{name}"):
        torch_file.read(torch_files.assemble(tensors, {}))


def test_other_names_of_pytorch_are_refused() -> None:
    tensors = OrderedDict(a=Call("torch.jit", "load", "file"))
    with pytest.raises(NotTensors, match=r"torch\.jit\.load"):
        torch_file.read(torch_files.assemble(tensors, {}))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (3, (4,), (1,)),
        (0, (2, 3), (6, 1)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (0, (2,), (-1,)),
        (0, (1 << 40,), (0,)),
        (0, (2, 2), (1,)),
        (0, (2.0,), (1,)),
        (0, (0,), (1,)),
    ],
)
def test_a_tensor_outside_of_its_storage_is_refused(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    tensors = OrderedDict(a=tensor("s", "FloatStorage", 6, offset, shape, strides))
    with pytest.raises(NotTensors):
        torch_file.read(torch_files.assemble(tensors, {"s": VALUES}))


@pytest.mark.parametrize(
    "tensors",
    [
        None,
        {"a": 1},
        OrderedDict(a=1),
        OrderedDict([(1, tensor("s", "FloatStorage", 6, 0, (6,), (1,)))]),
        OrderedDict(a=Reference("storage", "FloatStorage", "s", "cpu", 6, None)),
        OrderedDict(a=tensor("other", "FloatStorage", 6, 0, (6,), (1,))),
        OrderedDict(a=Call("torch._utils", "_rebuild_tensor_v2", 1, 0, (6,), (1,))),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused(tensors: object) -> None:
    with pytest.raises(NotTensors):
        torch_file.read(torch_files.assemble(tensors, {"s": VALUES}))


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    for end in range(0, len(WHOLE), 7):
        with pytest.raises(NotTensors):
            torch_file.read(WHOLE[:end])


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_byte_gives_arrays_or_a_refusal(place: int, value: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[place] = value
    try:
        found = torch_file.read(bytes(damaged))
    except NotTensors:
        return
    assert all(isinstance(array, np.ndarray) for array in found.values())
