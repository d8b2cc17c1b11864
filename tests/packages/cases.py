"""What each extra is for: commands that have to succeed in an environment with nothing else."""

from __future__ import annotations

#: Makes 24 images in two folders.
IMAGES = """
from pathlib import Path
from PIL import Image
for label, shade in (("dark", 40), ("light", 200)):
    Path("photos", label).mkdir(parents=True)
    for number in range(12):
        Image.new("L", (28, 28), shade + number).save(f"photos/{label}/{number}.png")
"""
#: The producer imports neither NumPy nor TensorFlow, also where they are installed.
LIGHT = """
import sys
import hangtag
from producer.cli import main
assert all(command.help for command in main.hangtag.commands.values())
assert not {"numpy", "tensorflow"} & set(sys.modules)
"""
#: Makes photographs in three folders.
PHOTOS = """
from pathlib import Path
from PIL import Image, ImageDraw
for corners, label in enumerate(("triangle", "square", "pentagon"), 3):
    Path("shapes", label).mkdir(parents=True)
    for number in range(8):
        image = Image.new("RGB", (160, 120 + number), (200 + 5 * number, 230, 255))
        circle = (70 + 3 * number, 60, 40 + number)
        ImageDraw.Draw(image).regular_polygon(circle, corners, number, fill=(90, 9 * number, 20))
        image.save(f"shapes/{label}/{number}.{'jpg' if number % 2 else 'png'}")
"""
#: The environment, to which Python 3.11 adds setuptools, 10 MB.
SMALL = """
import subprocess, sys
used = int(subprocess.check_output(["du", "-sm", sys.prefix]).split()[0])
assert used <= 520, used
"""
#: Commands end in one line that names the extra that they need.
LACKS = """
import subprocess, sys
from pathlib import Path
Path("photos").mkdir(exist_ok=True)
Path("photos/a.png").touch()
for words, extra in COMMANDS:
    command = [Path(sys.executable).with_name("hangtag"), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\\n")) == (1, "", 1), done
    assert f"[{extra}]'" in done.stderr, done
assert not list(Path().glob("t.*"))
"""


def lacks(*commands: tuple[str, str]) -> tuple[str, ...]:
    """Each command, and the extra that it needs."""
    return ("python", "-c", f"COMMANDS = {commands}{LACKS}")


STARTS = (
    ("hangtag", "--version"),
    ("hangtag", "--help"),
    ("hangtag", "status"),
    ("python", "-c", LIGHT),
)
CLASSIFIES = (
    *STARTS,
    ("python", "-c", IMAGES),
    ("hangtag", "classify", "photos", "-o", "photos.csv"),
    ("hangtag", "verify", "photos.csv", "--deep"),
    ("hangtag", "report", "photos.csv"),
    ("hangtag", "doctor"),
    ("hangtag", "demo", "--count", "60"),
)


def loads(modules: str) -> tuple[str, ...]:
    return ("python", "-c", f"import {modules}")


CASES: dict[str, tuple[tuple[str, ...], ...]] = {
    "": (
        *STARTS,
        lacks(
            ("classify photos -o t.csv", "all"), ("classify photos -o t.parquet", "parquet"),
            ("classify photos -o t.xlsx", "xlsx"), ("metrics", "metrics"),
        ),
    ),
    "worker": (*STARTS, loads("worker.serve"), ("hangtag", "worker", "--help")),
    "worker,server": CLASSIFIES,
    "train,server": (
        *CLASSIFIES,
        ("hangtag", "train", "photos", "--recipe", "tutorial", "--epochs", "1"),
        ("hangtag", "classify", "photos", "--model", "photos", "-o", "again.csv"),
    ),
    "metrics": (
        *STARTS,
        loads("producer.monitor.metric_families"),
        ("hangtag", "metrics", "--help"),
    ),
    "review": (*STARTS, ("hangtag", "review", "--help"), loads("producer.people.web_app")),
    "worker,server,parquet": (*CLASSIFIES, ("hangtag", "table", "photos.csv", "-o", "t.parquet")),
    "worker,server,xlsx": (*CLASSIFIES, ("hangtag", "table", "photos.csv", "-o", "t.xlsx")),
    "worker,server,pandas": (
        *CLASSIFIES,
        ("python", "-c", "import hangtag; print(hangtag.open_table('photos.csv').to_pandas())"),
    ),
    "remote": (
        *STARTS,
        loads("producer.sources.remote.s3_source, producer.sources.remote.web_source"),
    ),
    "watch": (*STARTS, loads("watchfiles"), ("hangtag", "classify", "--help")),
    "all": (
        *CLASSIFIES,
        loads("producer.people.web_app, matplotlib"),
        ("python", "-c", PHOTOS),
        ("hangtag", "train", "shapes"),
        ("hangtag", "classify", "shapes", "--model", "shapes", "-o", "shapes.parquet"),
        lacks(("train shapes --recipe fast", "all,tensorflow")),
        ("python", "-c", SMALL),
    ),
}  # fmt: skip
