"""What a `.keras` file may hold. Read before Keras opens it, since loading one can run code.

Keras' `safe_mode` is a seat belt: about ten ways around it became known in 20 months. So only the
classes that Hangtag's own recipes use are let through.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from shared.errors import SetupError

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
#: A network of Hangtag's has 20 kB.
MAX_CONFIG_BYTES = 1 << 20
#: Module and class name, as Keras writes them.
ALLOWED = {
    ("keras", "DTypePolicy"),
    ("keras.initializers", "GlorotUniform"),
    ("keras.initializers", "Ones"),
    ("keras.initializers", "Zeros"),
    ("keras.layers", "Activation"),
    ("keras.layers", "Add"),
    ("keras.layers", "Average"),
    ("keras.layers", "AveragePooling2D"),
    ("keras.layers", "BatchNormalization"),
    ("keras.layers", "Conv2D"),
    ("keras.layers", "Dense"),
    ("keras.layers", "Flatten"),
    ("keras.layers", "GlobalAveragePooling2D"),
    ("keras.layers", "GlobalMaxPooling2D"),
    ("keras.layers", "InputLayer"),
    ("keras.layers", "MaxPooling2D"),
    ("keras.layers", "Rescaling"),
    ("keras.layers", "Softmax"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.ops.numpy", "Flip"),
    (None, "__keras_tensor__"),
}


def check(archive: bytes) -> None:
    """Let an archive of allowed classes pass.

    Raises:
        SetupError: it is no `.keras` archive, or holds anything else.
    """
    try:
        config = _config(archive)
    except (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError) as error:
        raise SetupError(f"this is not a .keras file ({error}); publish the model again") from error
    for item in _objects(config):
        _check_object(item)


def _config(archive: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        members = [info.filename for info in file.infolist()]
        if sorted(members) != sorted(MEMBERS):
            raise ValueError(f"it holds {', '.join(members)!r:.200}")
        if file.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
            raise ValueError(f"its config.json has more than {MAX_CONFIG_BYTES} bytes")
        return json.loads(file.read("config.json"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary that Keras would make an object of, at any depth."""
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
    if not (_known(module, name) and registered in (None, name)):
        raise SetupError(
            f"the .keras file uses {module}.{name!s:.60}, which Hangtag does not load; "
            "use a version that `hangtag train` made"
        )


def _known(module: object, name: object) -> bool:
    return isinstance(name, str) and (module, name) in ALLOWED
