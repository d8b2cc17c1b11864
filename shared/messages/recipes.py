"""The names of the recipes, and which options of a training each of them accepts.

worker/recipes/recipes.py defines how they train.
"""

from __future__ import annotations

from shared.errors import UsageError, no_such
from shared.messages.requests import FASHION_MNIST

#: They fit the head of a pretrained network to photos.
HEADS = ("photo", "photo-head")
#: They train a whole network on photos.
NETWORKS = ("photo-fine", "photo-scratch")
RECIPES = ("tutorial", "fast", "accurate", *HEADS, *NETWORKS)


def check_recipe(recipe: str, data: str, *, epochs: int, teachers: bool) -> None:
    """Check the options of a training before it waits for others, and again before it starts.

    `epochs` is 0 if the option was not given.

    Raises:
        UsageError: there is no such recipe, or an option does not apply to it.
    """
    if recipe not in RECIPES:
        raise UsageError(no_such("recipe", recipe, RECIPES, "hangtag train --help"))
    if recipe in HEADS and epochs:
        raise UsageError(
            f"the recipe {recipe} has no epochs; leave out --epochs, or use --recipe "
            f"{' or '.join(NETWORKS)}"
        )
    of_photos = recipe in (*HEADS, *NETWORKS)
    if of_photos and teachers:
        raise UsageError(f"the recipe {recipe} has no teachers; leave out --teacher and --teach-by")
    if of_photos and data == FASHION_MNIST:
        raise UsageError(f"the recipe {recipe} is for photos; name a folder with --data")
