"""A `.keras` file that could run code is refused in one line, and nothing runs."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from shared.errors import SetupError
from shared.registry import packaged
from tests.support.images import hostile_keras_archives
from worker.graphs import keras_import
from worker.runtimes import keras_archive, load_runtime

#: Bytes that each member of an archive may unfold to.
LIMITS = {"metadata.json": 4_096, "config.json": 4 << 20, "model.weights.h5": 256 << 20}
PAYLOADS = [
    hostile_keras_archives.with_lambda,
    hostile_keras_archives.with_registered,
    hostile_keras_archives.with_nested,
]


@pytest.fixture(autouse=True)
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a payload creates when it runs."""
    path = tmp_path / "it-ran"
    monkeypatch.setenv(hostile_keras_archives.MARKER, str(path))
    return path


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    network = hostile_keras_archives.small(keras.layers.ReLU())
    return hostile_keras_archives.saved(network, tmp_path_factory.mktemp("harmless"))


def opened(archive: bytes) -> keras.Model:
    """Open the file as an import does."""
    return keras_import.network(archive, hostile_keras_archives.CLASSES, "0-255")


def refused(call: Callable[[], object], marker: Path) -> str:
    """The one line of a call that runs nothing."""
    with pytest.raises(SetupError) as error:
        call()
    assert not marker.exists(), "the payload ran"
    line = str(error.value)
    assert line.isprintable()
    assert len(line) < 500
    return line


@pytest.mark.parametrize("payload", PAYLOADS)
def test_code_is_refused_before_keras_reads_it(
    payload: Callable[[Path], bytes], tmp_path: Path, marker: Path
) -> None:
    archive = payload(tmp_path)
    marker.unlink(missing_ok=True)  # creating it may have run it
    line = refused(lambda: opened(archive), marker)
    assert "which Hangtag does not load" in line
    assert ("--scale" in line) == (payload is hostile_keras_archives.with_lambda)
    refused(lambda: load_runtime.load("tensorflow", packaged.card(), archive), marker)


@pytest.mark.parametrize("payload", [*PAYLOADS, hostile_keras_archives.with_loss])
def test_the_payloads_would_run_if_keras_opened_them(
    payload: Callable[[Path], bytes], tmp_path: Path, marker: Path
) -> None:
    """Otherwise the test above could not fail."""
    path = tmp_path / "open.keras"
    path.write_bytes(payload(tmp_path))
    marker.unlink(missing_ok=True)
    safe = payload is not hostile_keras_archives.with_lambda
    model = keras.saving.load_model(path, safe_mode=safe)
    model(np.zeros((1, *hostile_keras_archives.SHAPE)))
    assert marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.layers", "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TorchModuleWrapper"),
        ("keras.layers", "JaxLayer"),
        ("keras.layers", "StringLookup"),
        ("keras.layers", "TextVectorization"),
        ("keras.layers", "RandomFlip"),  # only where an import leaves it out
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.utils", "get_file"),
        ("builtins", "function"),
        ("tests.support.images.hostile_keras_archives", "Evil"),
        ("os", "ReLU"),
        (None, "ReLU"),
        (None, "__lambda__"),
        (None, "__typespec__"),
        ("keras.layers", ["ReLU"]),
        ([], "ReLU"),
        ({"keras": "layers"}, "ReLU"),
    ],
)
def test_a_forbidden_name_is_refused_anywhere(
    harmless: bytes, marker: Path, module: object, name: object
) -> None:
    item = {"module": module, "class_name": name, "config": {}, "registered_name": None}
    changes: list[Callable[[hostile_keras_archives.Config], object]] = [
        lambda config: hostile_keras_archives.layer(config, "ReLU").update(
            module=module, class_name=name
        ),
        lambda config: hostile_keras_archives.layer(config, "Dense")["config"].update(
            kernel_initializer=item
        ),
        lambda config: hostile_keras_archives.layer(config, "Dense")["config"].update(
            activation=item
        ),
        lambda config: hostile_keras_archives.layer(config, "ReLU").update(
            build_config={"x": [{"y": item}]}
        ),
        lambda config: config.update(module=module, class_name=name),
    ]
    for change in changes:
        archive = hostile_keras_archives.changed(harmless, change)
        refused(lambda: keras_archive.check(archive), marker)  # noqa: B023


@pytest.mark.parametrize("registered", ["evil>Evil", "Evil", "Dense", ["ReLU"], {}, ""])
def test_another_registered_name_is_refused(
    harmless: bytes, marker: Path, registered: object
) -> None:
    archive = hostile_keras_archives.changed(
        harmless,
        lambda config: hostile_keras_archives.layer(config, "ReLU").update(
            registered_name=registered
        ),
    )
    assert "does not load" in refused(lambda: opened(archive), marker)


@pytest.mark.parametrize(
    "member", ["assets/words.txt", "../escaped", "/tmp/escaped", "config.json.bak"]
)
def test_members_that_no_classifier_needs_are_refused(
    harmless: bytes, marker: Path, member: str
) -> None:
    archive = hostile_keras_archives.changed(harmless, lambda config: None, **{member: b"x"})
    assert "not a .keras file" in refused(lambda: opened(archive), marker)


def test_two_members_with_one_name_are_refused(harmless: bytes, marker: Path) -> None:
    """Readers of the first and readers of the last would see two configurations."""
    data = io.BytesIO(harmless)
    with warnings.catch_warnings(), zipfile.ZipFile(data, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("config.json", "{}")
    assert "not a .keras file" in refused(lambda: opened(data.getvalue()), marker)


def test_bombs_are_refused_unpacked(harmless: bytes, marker: Path) -> None:
    for name, limit in LIMITS.items():
        data = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(harmless)) as old,
            zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
        ):
            for member in old.namelist():
                with new.open(member, "w") as file:
                    if member != name:
                        file.write(old.read(member))
                    else:
                        for _ in range(0, limit + 1, 1 << 20):
                            file.write(bytes(1 << 20))
        assert "has more than" in refused(lambda: opened(data.getvalue()), marker)  # noqa: B023


@pytest.mark.parametrize("depth", [400, 900, 100_000])
def test_a_deeply_nested_configuration_is_refused(
    harmless: bytes, marker: Path, depth: int
) -> None:
    deep = b'{"config":' * depth + b"1" + b"}" * depth
    archive = hostile_keras_archives.changed(harmless, lambda config: None, **{"config.json": deep})
    refused(lambda: opened(archive), marker)


def test_weights_that_unfold_in_memory_are_refused_unread(
    harmless: bytes, marker: Path, tmp_path: Path
) -> None:
    """The file has 10 kB, as if they were zeros that compress well."""
    with zipfile.ZipFile(io.BytesIO(harmless)) as file:
        content = file.read(keras_archive.WEIGHTS)
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with h5py.File(path, "a") as weights:
        shape = (LIMITS[keras_archive.WEIGHTS] // 4,)
        weights.create_dataset("layers/unfolds", shape, "<f4", chunks=True, compression="gzip")
    archive = hostile_keras_archives.changed(
        harmless, lambda config: None, **{keras_archive.WEIGHTS: path.read_bytes()}
    )
    assert "its weights have more than" in refused(lambda: opened(archive), marker)


@pytest.mark.parametrize("how", ["external dataset", "external link", "virtual dataset"])
def test_weights_in_an_external_file_are_refused(harmless: bytes, tmp_path: Path, how: str) -> None:
    with zipfile.ZipFile(io.BytesIO(harmless)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    path = tmp_path / "weights.h5"
    path.write_bytes(members["model.weights.h5"])
    secret = tmp_path / "secret.h5"
    with h5py.File(path, "a") as weights:
        kernels: list[str] = []
        weights.visititems(
            lambda name, _: kernels.append(name) if name.endswith("vars/0") else None
        )
        (name, *_) = kernels
        shape, dtype = weights[name].shape, weights[name].dtype
        with h5py.File(secret, "w") as other:
            other["kernel"] = np.full(shape, 42, dtype)
        del weights[name]
        if how == "external link":
            weights[name] = h5py.ExternalLink(secret, "kernel")
        elif how == "virtual dataset":
            layout = h5py.VirtualLayout(shape, dtype)
            layout[...] = h5py.VirtualSource(secret, "kernel", shape)
            weights.create_virtual_dataset(name, layout)
        else:
            size = int(np.prod(shape)) * dtype.itemsize
            weights.create_dataset(name, shape, dtype, external=[(str(secret), 0, size)])
        assert weights[name].shape == shape  # h5py itself would read it
    members["model.weights.h5"] = path.read_bytes()
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for member, content in members.items():
            file.writestr(member, content)
    with pytest.raises(SetupError, match="cannot be loaded"):
        opened(data.getvalue())


def test_the_packaged_network_passes() -> None:
    keras_archive.check(packaged.read("model.keras"))
