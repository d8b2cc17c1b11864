"""Writes files as PyTorch did before 1.6, without PyTorch, from the description of their format."""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.backbones.torch_file import MAGIC, PROTOCOL

Arrays = Mapping[str, npt.NDArray[Any]]
#: Of a float32.
_ITEM_BYTES = 4
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}


class Call:
    """Pickled as a call of `module.name`."""

    def __init__(self, module: str, name: str, *arguments: object) -> None:
        self.function = _global(module, name)
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.function, self.arguments


class Reference:
    """Pickled as a persistent id."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts


def tensor(key: str, kind: str, count: int, offset: int, shape: Any, strides: Any) -> Call:
    """A tensor in the storage `key` of `count` values."""
    storage = Reference("storage", _global("torch", kind), key, "cpu", count, None)
    return Call(
        "torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, OrderedDict()
    )


def encode(arrays: Arrays) -> bytes:
    """The bytes of a file with these arrays, each in a storage of its own."""
    tensors = OrderedDict(
        (name, tensor(name, STORAGES[a.dtype.name], a.size, 0, a.shape, _strides(a)))
        for name, a in arrays.items()
    )
    return assemble(tensors, {name: _in_memory(array) for name, array in arrays.items()})


def assemble(tensors: object, storages: Mapping[str, bytes]) -> bytes:
    """The bytes of a file with any object in the place of its tensors."""
    file = io.BytesIO()
    for part in (MAGIC, PROTOCOL, {"little_endian": True}, tensors, list(storages)):
        dump(file, part)
    for data in storages.values():
        file.write(struct.pack("<q", len(data) // _ITEM_BYTES) + data)
    return file.getvalue()


def dump(file: io.BytesIO, part: object) -> None:
    """Append a pickle, in which the names of PyTorch are names only."""
    with _importable():
        _Writer(file, protocol=2).dump(part)


class _Writer(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.parts if isinstance(obj, Reference) else None


def _strides(array: npt.NDArray[Any]) -> tuple[int, ...]:
    return tuple(stride // array.itemsize for stride in array.strides)


def _in_memory(array: npt.NDArray[Any]) -> bytes:
    """The values in the order in which they lie in memory."""
    return array.transpose(
        sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    ).tobytes()


_FUNCTIONS: dict[tuple[str, str], Any] = {}


def _global(module: str, name: str) -> Any:
    """Something that pickle writes as the name `module.name`."""
    known = sys.modules.get(module)
    if known is not None and hasattr(known, name):
        return getattr(known, name)

    def function() -> None:
        raise AssertionError("this is a name only")

    function.__module__, function.__qualname__, function.__name__ = module, name, name
    return _FUNCTIONS.setdefault((module, name), function)


@contextmanager
def _importable() -> Iterator[None]:
    """Modules with those names exist while pickle looks them up."""
    before = dict(sys.modules)
    for (module, name), function in _FUNCTIONS.items():
        setattr(sys.modules.setdefault(module, ModuleType(module)), name, function)
    try:
        yield
    finally:
        for module in {module for module, _ in _FUNCTIONS}:
            if module not in before:
                sys.modules.pop(module, None)


def float_arrays() -> dict[str, npt.NDArray[Any]]:
    """Arrays of the kinds that occur: a kernel, a vector, a scalar, a transposed kernel."""
    rng = np.random.default_rng(5)
    kernel = rng.standard_normal((4, 3, 2, 2)).astype(np.float32)
    return {
        "a.weight": kernel,
        "a.bias": rng.standard_normal(4).astype(np.float32),
        "b.weight": rng.standard_normal((2, 2, 3, 4)).astype(np.float32).transpose(3, 2, 0, 1),
        "a.steps": np.asarray(7.0, np.float32),
    }
