"""Reads the tensors of a file that `torch.save` wrote before PyTorch 1.6. Needs no PyTorch.

Such a file is a sequence of pickles, which can name any function to call. The reader here resolves
the few names that a dictionary of plain tensors needs, to functions of its own, and refuses all
others; so no code runs that the file chooses.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

Tensors = dict[str, npt.NDArray[Any]]
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
#: The classes of storages, and what they hold; little-endian in the file.
STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class NotTensors(ValueError):
    """The bytes are no such file, or hold more than plain tensors."""


class _Storage(NamedTuple):
    dtype: np.dtype[Any]
    key: str


class _Tensor(NamedTuple):
    """Where the values of a tensor are."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  #: in values


def read(data: bytes) -> Tensors:
    """The arrays of the file by name, each in memory of its own.

    Raises:
        NotTensors: the file is damaged, or contains something else.
    """
    file = io.BytesIO(data)
    try:
        if (_load(file), _load(file)) != (MAGIC, PROTOCOL):
            raise NotTensors("it does not start like a file of PyTorch")
        _load(file)  # sizes of numbers on the machine that wrote it
        tensors, keys = _load(file), _load(file)
        return _arrays(tensors, _stored(file, tensors, keys))
    except NotTensors:
        raise
    except Exception as error:  # a damaged pickle raises exceptions of any class
        raise NotTensors(" ".join(str(error).split())[:200] or type(error).__name__) from error


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise NotTensors(f"it refers to {module}.{name}"[:200])

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str):
            raise NotTensors("it refers to something that is no storage")
        return _Storage(dtype, key)


def _load(file: BinaryIO) -> Any:
    return _Reader(file).load()


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """The place of a tensor; called by the unpickler with what the file says."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(type(number) is int for number in numbers):
        raise NotTensors("a tensor is damaged")
    if min(numbers) < 0 or len(shape) != len(strides):
        raise NotTensors("a tensor is damaged")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _stored(file: BinaryIO, tensors: Any, keys: Any) -> dict[str, npt.NDArray[Any]]:
    """The values of each storage: a number of values, then these, in the order of `keys`."""
    if not isinstance(tensors, OrderedDict) or not isinstance(keys, list):
        raise NotTensors("it is no dictionary of tensors")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise NotTensors("it is no dictionary of tensors")
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    stored = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        values = file.read(min(count * dtypes[key].itemsize, 1 << 40))
        stored[key] = np.frombuffer(values, dtypes[key], count)
    return stored


def _arrays(tensors: dict[str, _Tensor], stored: dict[str, npt.NDArray[Any]]) -> Tensors:
    return {name: _array(tensor, stored[tensor.storage.key]) for name, tensor in tensors.items()}


def _array(tensor: _Tensor, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    steps = zip(tensor.shape, tensor.strides, strict=True)
    # `_tensor` refuses negative offsets and strides, so this is the highest index.
    last = tensor.offset + sum((length - 1) * stride for length, stride in steps)
    if 0 in tensor.shape or max(math.prod(tensor.shape), last + 1) > len(values):
        raise NotTensors("a tensor is empty, or larger than its storage")
    strides = [stride * values.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides).copy()
