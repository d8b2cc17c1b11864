"""Wrong calls of `import hangtag` end in one sentence that names the argument or its option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hangtag
from shared import installation

WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "folder": ("missing/", {}, "missing/: No such file or directory; check the path"),
    "nothing": ([], {}, "images is empty; give a folder, or one path or more"),
    "number": (3, {}, "images is 3; give a folder, or a list of paths"),
    "item": (["a.png", 3], {}, "images has 3, which is no path"),
    "nul": (["a\0.png"], {}, "no path has a NUL"),
    "no text": ([""], {}, "images has an empty path"),
    "mixed": (["pictures", "a.png"], {}, "and has 'a.png', which is none; give folders and"),
    "signed": (["pictures", "https://a.example/b.png?k=SECRET"], {},
               "and has 'https://a.example/b.png', which is none; give folders and"),
    "signed nul": (["https://a.example/b.png?k=SECRET\0"], {},
                   "has 'https://a.example/b.png', and no path has a NUL"),
    "both": ("pictures", {"accept": 0.9, "min_confidence": 0.5}, "--min-confidence are two kinds"),
    "accept": ("pictures", {"accept": 95}, "accept: 95 is neither a precision like 0.95"),
    "percent": ("pictures", {"accept": "0.5%"}, "accept: 0.5% is less than 1%"),
    "confidence": ("pictures", {"min_confidence": 2}, "min_confidence: 2 is neither a share"),
    "columns": ("pictures", {"columns": ["lable"]}, "columns: there is no column 'lable'"),
    "top_k": ("pictures", {"top_k": 0}, "top_k=0 is not within 1 to 1000"),
    "failures": ("pictures", {"max_failures": "many"}, "max_failures: 'many' is neither"),
    "timeout": ("pictures", {"timeout_s": 0}, "timeout_s: 0 is no number of seconds above 0"),
    "runtime": ("pictures", {"runtime": "torch"}, "runtime='torch' is none of litert, tensorflow"),
    "transport": ("pictures", {"transport": "ftp"}, "transport='ftp' is none of auto"),
    "output": ("pictures", {"output": "a.yaml"}, "-o a.yaml: no table is written as .yaml"),
    "out folder": ("pictures", {"output": "x/a.csv"}, "create it or choose another -o"),
    "repeat": ("pictures", {"output": "a.csv", "restart": True, "retry_failed": True},
               "--restart repeats every row, --retry-failed the failed ones"),
    "restart": ("pictures", {"restart": True}, "restart=True is for a table that stays"),
    "update": ("pictures", {"update": True}, "update=True is for a table that stays"),
    "watch": ("pictures", {"watch": True}, "watch=True is for a table that stays; give output="),
    "watched list": (["a.png"], {"watch": True, "output": "a.csv"},
                     "the list of images is no file and cannot be watched; save it as one"),
    "twice": ("pictures", {"output": "a.csv", "restart": True, "update": True},
              "--restart starts over, --update adds to the table"),
    "retry": ("pictures", {"output": "b.csv", "retry_failed": True},
              "has no job yet; start it without --retry-failed"),
    "model": ("pictures", {"model": "no-such"}, "there is no model no-such; there is: fashion"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_names_its_argument_and_leaves_nothing(here: Path, name: str) -> None:
    images, arguments, sentence = WRONG[name]
    with pytest.raises(hangtag.SetupError) as caught:
        hangtag.classify(images, **arguments)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert sorted(path.name for path in here.iterdir()) == ["pictures", "tmp"]
    assert list((here / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"epochs": "ten", "recipe": "fast"}, "epochs is 'ten'; give a whole number or None"),
        ({"epochs": -1, "recipe": "fast"}, "epochs=-1 is not within 1 to 100000"),
        ({"promote": "maybe"}, "promote is 'maybe'; give 'if-better'"),
        ({"recipe": "slow"}, "there is no recipe slow"),
        ({"recipe": "photo-head", "epochs": 3}, "leave it out, or use --recipe tutorial, fast or"),
        ({"name": "A!"}, "--name 'A!' cannot be a model"),
        ({"request_id": "a b"}, "cannot be the id of a request"),
        ({"corrections": ["a.csv"], "without_corrections": True},
         "--corrections and --without-corrections exclude each other"),
        ({"corrections": ["a.csv"]}, "a.csv"),
        ({"labels": True}, "pictures.labels.jsonl"),
        ({"labels": "a.jsonl", "corrections": ["a.csv"]}, "--labels and --corrections exclude"),
    ],
)  # fmt: skip
def test_a_wrong_training_names_its_argument(
    here: Path, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(hangtag.SetupError) as caught:
        hangtag.train("pictures", **arguments)
    assert sentence in str(caught.value)


def test_the_data_are_fashion_mnist_where_only_a_recipe_is_named(here: Path) -> None:
    with pytest.raises(hangtag.UsageError, match="name a folder"):
        hangtag.train()
    with pytest.raises(hangtag.UsageError, match="is for photos"):
        hangtag.train(recipe="photo-head")


def test_an_unknown_request_is_refused(here: Path) -> None:
    request = hangtag.Request("no-such")
    for act in (request.state, request.wait, request.cancel):
        with pytest.raises(hangtag.UsageError, match="there is no request no-such"):
            act()


@pytest.mark.parametrize(
    ("method", "packages"),
    [("to_arrow", {"pyarrow"}), ("to_pandas", {"pandas"}), ("to_parquet", {"pyarrow"})],
)
@pytest.mark.usefixtures("working")
def test_a_method_names_the_package_that_it_lacks(
    here: Path, monkeypatch: pytest.MonkeyPatch, method: str, packages: set[str]
) -> None:
    with hangtag.classify("pictures/") as result:
        found = installation.absent
        monkeypatch.setattr(
            installation, "absent", lambda asked: [*found(asked), *(packages & asked.keys())]
        )
        with pytest.raises(hangtag.SetupError, match=rf"{min(packages)} is missing; add it"):
            getattr(result, method)(*(["t.parquet"] if method == "to_parquet" else []))


@pytest.mark.usefixtures("working")
def test_other_images_for_the_same_table_are_refused(here: Path) -> None:
    hangtag.classify("pictures/", output="out.csv").close()
    with pytest.raises(
        hangtag.UsageError, match=r"with other options \(the folders\); use the same"
    ):
        hangtag.classify(next(Path("pictures").iterdir()), output="out.csv")
    with pytest.raises(hangtag.UsageError, match="no job"):
        hangtag.open_table("other.csv")
    with pytest.raises(hangtag.SetupError, match=r"there is no model shoes; .*hangtag models list"):
        hangtag.models("shoes")
    assert hangtag.model().card.ref == hangtag.models()[0].model == "fashion-mnist@0"
    assert [worker.queue for worker in hangtag.workers()] == ["hangtag:3:classify"]
