"""The labels of a few images, from files or from memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from hangtag.arguments import checked_types
from hangtag.images import encoded
from hangtag.running import run
from producer.predict.predict import in_files
from producer.predict.predict import predict as predict_files
from producer.predict.predictions import Prediction
from producer.predict.predictions import named as named_images
from producer.present.events import Event, Events
from producer.versions.default_model import default_model
from shared import installation
from shared.errors import SetupError, StillOpen, Stopped, UsageError
from shared.settings import Settings
from shared.stop import Stop

if TYPE_CHECKING:
    from PIL.Image import Image


class Array(Protocol):
    """What NumPy's arrays are, and those of others that describe their memory in the same way."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


Picture: TypeAlias = "str | os.PathLike[str] | bytes | Image | Array"
#: Of one pixel: grey; grey with alpha is none of these.
_CHANNELS = (1, 3, 4)
_PILLOW = {"PIL": "pillow"}


@checked_types
def predict(
    images: Picture | Iterable[Picture],
    *,
    model: str = "",
    stop: Stop | None = None,
) -> list[Prediction]:
    """Classify a few images, at most 1,000, without a table.

    Args:
        images: One image or several. Each is the path of a file, of a member of an archive
            (`"photos.zip/a.jpg"`) or an address (str, os.PathLike), the bytes of an encoded image
            (bytes), a PIL image, or an array of uint8 with the shape (height,
            width), (height, width, 1), (height, width, 3) RGB or (height, width, 4) RGBA, 0 to 255.
        model: `NAME`, `NAME@VERSION` or `NAME@ALIAS`; empty: as `classify`.
        stop: Ends the work from another thread.

    Returns:
        A prediction for each image, in their order. `path` of an image from memory is
        `images[3]`. `confidence` and `probabilities` are 0 to 1. An image that cannot be decoded
        has a `status` other than `ok` and no label.

    Raises:
        UsageError: there is no such image, or an array has another shape or type.
        SetupError: there is no such model, or Pillow is missing for an image from memory.
        BrokerAway: Redis is unreachable.
        KeyboardInterrupt: Ctrl-C.
    """
    settings = Settings.from_env()
    pictures = _as_list(images)
    if not pictures:
        raise UsageError("images is empty; give one image or more")
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        named = list(_files(pictures, Path(folder)))

        def work(events: Events, stop: Stop) -> dict[bytes, Prediction]:
            paths = list(dict.fromkeys(path for path, _ in named))
            chosen = model or default_model(settings)
            with in_files(paths, stop) as files:
                made = predict_files(files, settings, model=chosen, events=events, stop=stop)
            return dict(zip(paths, named_images(made, files, paths).images, strict=True))

        try:
            of_path = run(work, _ignore, stop or Stop(), "hangtag predict")
        except Stopped as error:
            raise SetupError(f"{error}; make the same call again") from None
        except StillOpen as error:
            raise SetupError(str(error)) from None
    return [
        msgspec.structs.replace(of_path[path], path=name) if name else of_path[path]
        for path, name in named
    ]


def _ignore(event: Event) -> None:
    """A prediction takes a moment."""


def _as_list(images: Any) -> list[Any]:
    is_image = hasattr(images, "__array_interface__")  # also PIL's
    if is_image or isinstance(images, str | bytes | os.PathLike):
        return [images]
    if not isinstance(images, Iterable):
        raise UsageError(f"images is {images!r:.80}; give an image, or a list of images")
    return list(images)


def _files(pictures: Sequence[Any], folder: Path) -> Iterator[tuple[bytes, str]]:
    """Each image as a file; and its name, if it comes from memory."""
    for i, picture in enumerate(pictures):
        if isinstance(picture, str | os.PathLike):
            yield encoded(picture), ""
            continue
        name = f"images[{i}]"
        path = folder / f"{i}.image"
        path.write_bytes(picture if isinstance(picture, bytes) else _encoded(picture, name))
        yield os.fsencode(path), name


def _encoded(picture: Any, name: str) -> bytes:
    """A PIL image or an array as PNG, which loses nothing."""
    import io

    if lack := installation.missing(_PILLOW, "worker"):
        raise SetupError(f"{name} is no file and no bytes: {lack}")
    from PIL import Image

    stream = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else _image_of_array(picture, name)
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")  # no PNG of this mode
    image.save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def _image_of_array(array: Any, name: str) -> Image:
    from PIL import Image

    about = getattr(array, "__array_interface__", None)
    if about is None:
        kind = type(array).__name__
        raise UsageError(f"{name} is {kind!r:.80}; give a path, bytes, a PIL image or an array")
    shape, kind = tuple(about["shape"]), about["typestr"]
    if kind != "|u1":
        raise UsageError(f"{name} has values of type {kind}; give uint8, 0 to 255")
    if len(shape) == 3 and shape[2] == 1:
        array, shape = array[:, :, 0], shape[:2]
    if 0 in shape or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS)):
        raise UsageError(
            f"{name} has the shape {shape}; give (height, width) or (height, width, channels) with "
            "1, 3 or 4 channels"
        )
    return Image.fromarray(array)
