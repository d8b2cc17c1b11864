"""Print the label and the confidence of pictures: python classify.py PICTURE...

Written by `hangtag models export`. It needs Pillow, NumPy and the runtime of the model alone.
"""

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent
SPEC = json.loads((FOLDER / "preprocessing.json").read_text("utf-8"))
LABELS = (FOLDER / "labels.txt").read_text("utf-8").split("\n")[:-1]
FRAME, GROUND = (SPEC["width"], SPEC["height"]), SPEC["ground"]
MODE = "L" if SPEC["channels"] == 1 else "RGB"
#: EXIF's orientations as numbers of Image.Transpose.
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


def pixels(path: str) -> Any:
    """A picture upright, scaled to fit and centred: uint8 [height, width, channels]."""
    image: Any = Image.open(path)
    if image.mode.startswith(("I", "F")):
        raise ValueError("more than 8 bits for a pixel; save it with 8")
    turn = TURNS.get(image.getexif().get(0x0112))
    (width, height), (right, bottom) = image.size, FRAME[::-1] if turn in (2, 4, 5, 6) else FRAME
    size = right, max(1, (2 * height * right + width) // (2 * width))
    if width * bottom < height * right:
        size = max(1, (2 * width * bottom + height) // (2 * height)), bottom
    drafted = image.draft("L" if MODE == "L" else None, size)  # a JPEG at 1/2, 1/4 or 1/8
    box = drafted[1] if drafted else (0, 0, width, height)
    by = [max(1, have // max(1024, 3 * want)) for have, want in zip(image.size, size, strict=True)]
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, (GROUND, GROUND, GROUND))
        image.paste(clear, mask=clear)
    image = image.convert(MODE).reduce((by[0], by[1]))
    if size != (width, height):
        image = image.resize(size, Image.Resampling.BOX, (0, 0, box[2] / by[0], box[3] / by[1]))
    image = image if turn is None else image.transpose(turn)
    whole = Image.new(MODE, FRAME, (GROUND,) * len(MODE))
    whole.paste(image, ((FRAME[0] - image.width) // 2, (FRAME[1] - image.height) // 2))
    values = np.asarray(whole).reshape(FRAME[1], FRAME[0], -1)
    if SPEC["convert"] == "garment" and (values[:: FRAME[1] - 1, :: FRAME[0] - 1] <= 12).sum() < 2:
        raise ValueError("no image like Fashion-MNIST's; only hangtag classify converts it")
    return ~values if SPEC["invert"] else values


@cache
def network(file: str) -> Any:
    """A function from values [1, ...] to a row of outputs, and whether it takes bytes."""
    path = str(FOLDER / file)
    if file.endswith(".onnx"):
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        source = session.get_inputs()[0]
        count = source.shape[0] if isinstance(source.shape[0], int) else 1

        def run_onnx(values: Any) -> Any:
            return session.run(None, {source.name: values.repeat(count, 0)})[0][0].reshape(-1)

        return run_onnx, source.type == "tensor(uint8)"
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run_litert(values: Any) -> Any:
        interpreter.set_tensor(given["index"], values.repeat(given["shape"][0], 0))
        interpreter.invoke()
        row = interpreter.get_tensor(found["index"]).reshape(given["shape"][0], -1)[0]
        scale, zero = found["quantization"]
        return row if row.dtype == np.float32 else (row.astype(np.float32) - zero) * scale

    return run_litert, given["dtype"] == np.uint8


def logits(look: dict[str, Any], image: Any) -> Any:
    """The logits of one look at an image uint8 [height, width, channels]."""
    if side := look.get("size_pixels"):
        image = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
    run, takes_bytes = network(look["file"])
    values = image[:, ::-1] if look["mirrored"] else image
    values = values[..., ::-1] if SPEC["bgr"] else values
    if not takes_bytes:
        values = values * np.float32(SPEC["factor"]) + np.float32(SPEC["offset"])
    values = values.transpose(2, 0, 1) if SPEC["layout"] == "nchw" else values
    row = run(np.ascontiguousarray(values[None]))
    if head := look.get("head"):
        heads = np.load(FOLDER / "heads.npz")
        row = row @ heads[f"weights_{head}"] + heads[f"bias_{head}"]
    return np.log(np.maximum(row, 1e-30)) if SPEC["softmax"] else row


def probabilities(path: str) -> Any:
    """Those of the labels. A second look counts where the first is unsure."""
    image = pixels(path)
    row = logits(SPEC["looks"][0], image)
    best = np.sort(row)[-2:]
    if len(best) == 2 and best[1] - best[0] < SPEC["margin"]:
        row = (row + logits(SPEC["looks"][1], image)) / np.float32(2)
    if SPEC["output"] == "probabilities":
        return row
    powers = np.exp((row - row.max()) / np.float64(SPEC["temperature"]))
    return powers / powers.sum()


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("name pictures: python classify.py PICTURE...")
    unread = 0
    for name in sys.argv[1:]:
        try:
            shares = probabilities(name)
        except (OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            unread = 1
            continue
        print(LABELS[shares.argmax()], f"{shares.max():.4f}", name, sep="\t")
    sys.exit(unread)
