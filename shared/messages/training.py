"""The request to train a version, and its options: each is declared here, once.

The command line makes its options and their help from these declarations, a request is checked by
them, and the trainer reads the same record. A new option is a field of Train, and what uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, get_args

import msgspec

from shared import recipes
from shared.errors import UsageError, no_such
from shared.options import Option, defaults_of, flag, options_of, parse_share
from shared.recipes import RECIPES, Recipe

FASHION_MNIST = "fashion-mnist"  #: as `data`; anything else is a folder on the trainer's machine
FASHION_MNIST_TITLE = "Fashion-MNIST"  #: in reports, and on cards
#: Least different images of a class: two to learn from, one held out, one for the test.
SMALLEST_CLASS = 4
PRECISIONS = ("auto", "fp32", "int8")
#: How many looks a version of photos has at most: two, or one.
Serve = Literal["auto", "fast"]
#: When the quality gate points `production` to a new version.
Rule = Literal["if-better", "if-clearly-better", "always", "never"]
PROMOTE: tuple[Rule, ...] = get_args(Rule)


def _has_epochs(recipe: Recipe) -> bool:
    return recipe.epochs > 0


def _is_of_networks(recipe: Recipe) -> bool:
    return not recipe.backbone


def _is_of_photos(recipe: Recipe) -> bool:
    return bool(recipe.backbone)


def _looks_twice(recipe: Recipe) -> bool:
    return bool(recipe.second_backbone)


class Train(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="train"):
    """Train a version of `name` and publish it. A new field is the last one and has a default."""

    name: Annotated[
        str,
        Option(
            help="The model. Default: the folder's name; fashion-mnist for its own data.",
            kind="model-name",
        ),
    ]
    recipe: Annotated[
        str,
        Option(
            help=f"One of {', '.join(RECIPES)}. Default: {recipes.OF_BUILT_IN}; "
            f"{recipes.OF_FOLDER} for a folder.",
            kind="recipe",
        ),
    ]
    data: Annotated[
        str,
        Option(
            help="The training data, as DIR: a folder must have one subfolder for each class.",
            metavar="fashion-mnist|DIR",
        ),
    ] = FASHION_MNIST
    epochs: Annotated[
        int,
        Option(help="Default: set by the recipe.", least=1, most=100_000, applies=_has_epochs),
    ] = 0
    seed: Annotated[int, Option(help="Random seed.", least=0, most=(1 << 31) - 1)] = 1
    promote: Annotated[
        Rule,
        Option(
            help="When to point NAME@production to the new version. The first version always gets "
            "it."
        ),
    ] = "if-better"
    weighted: Annotated[
        bool, Option(help="Weight classes equally, regardless of their size.", is_seldom=True)
    ] = False
    max_unreadable: Annotated[
        float,
        Option(
            help="Fail if a larger share of the files cannot be read as images.",
            metavar="SHARE|P%",
            parse=parse_share,
            is_seldom=True,
        ),
    ] = 0.05
    precision: Annotated[
        Literal["auto", "fp32", "int8"],
        Option(
            help="What workers load of a network. auto: int8, which is faster, unless it is "
            "measurably worse.",
            applies=_is_of_networks,
        ),
    ] = "auto"
    #: SHA-256 of the request's input: labels that people gave to files; empty if there are none.
    corrections: str = ""
    without_corrections: Annotated[
        bool,
        Option(
            help="Leave out the labels that people gave and that earlier versions learned from.",
            is_seldom=True,
        ),
    ] = False
    #: Learn from the images under the folder that the corrections name, and from no other; its
    #: folders are no classes.
    labelled_only: bool = False
    serve: Annotated[
        Serve,
        Option(
            help="auto: a second, larger network looks again where the first is unsure. fast: the "
            "first one alone.",
            applies=_looks_twice,
        ),
    ] = "auto"
    backbone: Annotated[
        str,
        Option(
            help="The network whose features the head learns from, alone; see hangtag backbones. "
            "Default: both that ship.",
            metavar="NAME",
            applies=_is_of_photos,
        ),
    ] = ""

    def faults(self) -> Iterator[str]:
        """The fields that are out of range."""
        for name, option in options_of(Train).items():
            value = getattr(self, name)
            if not is_default(self, name) and not _is_in_range(option, value):
                yield name


def is_default(work: Train, field: str) -> bool:
    """Whether this option need not be typed."""
    defaults = defaults_of(Train)
    return field in defaults and getattr(work, field) == defaults[field]


def check_work(work: Train) -> None:
    """As `check`, of a request."""
    given = [field for field in options_of(Train) if not is_default(work, field)]
    check(work.recipe, work.data, given)


def check(recipe: str, data: str, given: Collection[str]) -> None:
    """Check the options of a training before it waits for others, and again before it starts.

    `given` are the fields whose options were typed.

    Raises:
        UsageError: there is no such recipe, or an option does not apply to it.
    """
    recipe = recipes.current(recipe)
    if recipe in recipes.GONE:
        raise UsageError(
            f"the recipe {recipe} was one of version 0.2.0; use --recipe {recipes.OF_FOLDER}"
        )
    if recipe not in RECIPES:
        raise UsageError(no_such("recipe", recipe, RECIPES, "hangtag train --help"))
    row = RECIPES[recipe]
    for field, option in options_of(Train).items():
        if field in given and not option.applies(row):
            raise UsageError(
                f"{flag(Train, field)} does not apply to the recipe {recipe}; leave it out, or use "
                f"--recipe {_recipes_with(field, row)}"
            )
    if row.backbone and data == FASHION_MNIST:
        raise UsageError(f"the recipe {recipe} is for photos; name a folder with --data")


def _recipes_with(field: str, recipe: Recipe) -> str:
    """The recipes that have this option, if possible of the same kind of images."""
    able = [other for other in RECIPES.values() if options_of(Train)[field].applies(other)]
    alike = [other.name for other in able if bool(other.backbone) == bool(recipe.backbone)]
    *first, last = alike or [other.name for other in able]
    return f"{', '.join(first)} or {last}" if first else last


def _is_in_range(option: Option, value: Any) -> bool:
    return isinstance(value, str) or (option.least <= value <= option.most and value < float("inf"))
