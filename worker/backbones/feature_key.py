"""The key of cached features: backbone, preprocessing, and how this version decodes images."""

from __future__ import annotations

import hashlib
import io
from functools import cache

import msgspec
import numpy as np
from PIL import Image

from shared.messages.model_card import ImportedNetwork, Preprocessing
from worker.decoding.decode import decode


def cache_key(
    sha256: str,
    spec: Preprocessing,
    imported: ImportedNetwork | None = None,
    *,
    mirrored: bool = False,
) -> str:
    """Stands for everything but an image's file that its features, or its mirror's, depend on:
    `sha256` is that of the backbone's file, `imported` its values."""
    parts = [bytes.fromhex(sha256), msgspec.json.encode(spec), _decoder_sample(spec)]
    if imported is not None:
        parts.append(msgspec.json.encode(imported))
    parts.append(b"mirrored" * mirrored)
    return hashlib.sha256(b"".join(parts)).hexdigest()[:24]


@cache
def _decoder_sample(spec: Preprocessing) -> bytes:
    """The pixels of noise as this version decodes it: in whole, and in parts."""
    noise = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), np.uint8)
    pixels = b""
    for kind, image in (("JPEG", noise[:900, :1200]), ("BMP", noise)):
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, kind)
        pixels += decode(encoded.getvalue(), spec).tobytes()
    return pixels
