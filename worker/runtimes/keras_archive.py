"""Checks a `.keras` file against an allowlist before Keras opens it, since loading can run code.

Keras' `safe_mode` is not sufficient: about ten bypasses became known in 20 months. So only classes
that do nothing but compute are allowed: none that contains code (Lambda), reads files
(StringLookup, TFSMLayer), or is registered by an application.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared.errors import SetupError
from worker.runtimes.array_archive import one_line

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
#: Required members and their maximum unpacked size in bytes. A network of Hangtag's has a
#: configuration of 20 kB, EfficientNet one of 500. An imported file has at most 64 MB.
MEMBERS = {"metadata.json": 4096, CONFIG: 4 << 20, WEIGHTS: 256 << 20}
#: The key of optimizer, losses and metrics, which classification does not need.
TRAINING = "compile_config"
#: Layers that vary images in training and pass them through otherwise. LiteRT does not have them.
AUGMENTATIONS = {
    "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation",
    "RandomZoom",
}  # fmt: skip
#: Reduced precision, faster on some processors; weights are float32 under the first two.
REDUCED_PRECISION = {"mixed_float16", "mixed_bfloat16", "float16", "bfloat16"}
_BY_MODULE: dict[str | None, str] = {
    None: "__keras_tensor__",
    "keras": "DTypePolicy Sequential",
    "keras.src.models.functional": "Functional",
    "keras.src.ops.numpy": "Add Divide Flip Log Maximum Minimum Multiply Subtract TrueDivide",
    "keras.initializers": (
        "Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones "
        "Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros"
    ),
    "keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    "keras.layers": (
        "Activation Add AlphaDropout Average AveragePooling2D BatchNormalization CenterCrop "
        "Concatenate Conv2D Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout ELU Flatten "
        "GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalMaxPooling2D "
        "GroupNormalization Identity InputLayer LayerNormalization LeakyReLU MaxPooling2D Maximum "
        "Minimum Multiply Normalization PReLU Permute ReLU Rescaling Reshape Resizing "
        "SeparableConv2D Softmax SpatialDropout2D Subtract UpSampling2D "
        "ZeroPadding2D"
    ),
}
#: Module and class name, as Keras 3.15 writes them.
ALLOWED = {(module, name) for module, names in _BY_MODULE.items() for name in names.split()}


def check(archive: bytes) -> None:
    """Check that an archive contains allowed classes only.

    Raises:
        SetupError: it is no `.keras` archive, or contains another class.
    """
    with _readable():
        for item in _objects(_config(archive)):
            _check_object(item)


def check_arrays(archive: bytes) -> None:
    """Check that the weights of an archive that was checked are not larger in memory than their
    file may be: an array that stores nothing may have any shape, and is read before it is compared
    with the network.

    Raises:
        ValueError: they are larger.
        Exception: of any class: they cannot be read.
    """
    import h5py

    sizes: list[int] = []

    def add(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(math.prod(item.shape or ()) * item.dtype.itemsize)

    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        weights = file.read(WEIGHTS)
    with h5py.File(io.BytesIO(weights), "r") as arrays:
        arrays.visititems(add)
    if sum(sizes) > MEMBERS[WEIGHTS]:
        raise ValueError(f"its weights have more than {MEMBERS[WEIGHTS]} bytes")


def for_inference(archive: bytes) -> bytes:
    """The same network for inference; no code of the archive is executed.

    Removes optimizer, losses, metrics and augmentation, and sets float32 throughout.

    Raises:
        SetupError: it is no `.keras` archive.
    """
    with _readable():
        config = _cleaned(_config(archive))  # checks the sizes of the members read below
        data = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(data, "w") as new:
            for member in MEMBERS.keys() - {CONFIG}:
                new.writestr(member, old.read(member))
            new.writestr(CONFIG, json.dumps(config))
    return data.getvalue()


@contextmanager
def _readable() -> Iterator[None]:
    """Convert every error of reading an archive to a SetupError of one line."""
    try:
        yield
    except SetupError:
        raise
    except Exception as error:  # zipfile and its decompressors raise exceptions of any class
        fix = "save it again with model.save('model.keras')"
        raise SetupError(f"this is not a .keras file ({one_line(error)}); {fix}") from error


def _config(archive: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        members = [info.filename for info in file.infolist()]
        if sorted(members) != sorted(MEMBERS):
            raise ValueError(f"it contains {', '.join(members)!r:.200}")
        for name, limit in MEMBERS.items():
            if file.getinfo(name).file_size > limit:
                raise ValueError(f"its {name} has more than {limit} bytes")
        return json.loads(file.read(CONFIG))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary that Keras would deserialize to an object, at any depth."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _check_object(item: dict[str, Any]) -> None:
    name, module = item["class_name"], item.get("module")
    registered = item.get("registered_name")
    if not (_is_allowed(module, name) and registered in (None, name)):
        remedy = "use a version that `hangtag train` made"
        if name == "Lambda":
            remedy = "use a Rescaling layer or --scale in its place"
        raise SetupError(
            f"the .keras file uses {module!s:.60}.{name!s:.60}, which Hangtag does not load; "
            f"{remedy}"
        )


def _is_allowed(module: object, name: object) -> bool:
    if not isinstance(name, str) or not isinstance(module, str | None):
        return False
    return (module, name) in ALLOWED


def _cleaned(value: Any) -> Any:
    """A part of the configuration, as `for_inference` keeps it."""
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    cleaned = {key: _cleaned(inner) for key, inner in value.items() if key != TRAINING}
    kind = (cleaned.get("module"), cleaned.get("class_name"))
    config = cleaned.get("config")
    if not isinstance(config, dict):
        return cleaned
    if kind[0] == "keras.layers" and kind[1] in AUGMENTATIONS:
        plain = {key: config[key] for key in ("name", "trainable", "dtype") if key in config}
        return {**cleaned, "class_name": "Identity", "config": plain}
    if kind == ("keras", "DTypePolicy") and config.get("name") in REDUCED_PRECISION:
        return {**cleaned, "config": {"name": "float32"}}
    return cleaned
