"""The table of recipes: one row says how a network is built and trained."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.errors import row_named


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. Rates are per step; the schedule is piecewise linear."""

    name: str
    network: Literal["dense", "small_conv", "residual", "head"]
    backbone: str = ""  #: as in worker/backbones/; its features find near-duplicates
    second_backbone: str = ""  #: that looks again where the first is unsure
    widths: tuple[int, ...] = ()  #: units or filters, from the input on
    blocks: tuple[int, ...] = ()  #: of the residual network, at each width
    size: tuple[int, int, int] | None = None  #: of images from class folders
    epochs: int = 0  #: 0: it is not trained in epochs
    least_steps: int = 0  #: in total; above 0, a small set gets smaller batches and more epochs
    batch: int = 0  #: images per step
    peak_rate: float = 0.0  #: learning rate of Adam (AdamW where `decay` is above 0)
    warmup_share: float = 0.0  #: of all steps; the rate rises to its peak
    one_cycle: bool = False  #: after the warm-up the rate falls to 0; otherwise it is constant
    decay: float = 0.0  #: of kernels, decoupled, times the rate
    flip: bool = False  #: mirrored in every second epoch
    shift_pixels: int = 0  #: maximum shift in both directions
    erase: float = 0.0  #: share of the images with a rectangle of noise
    average: float = 0.0  #: momentum of the moving average of the weights; 0: the last weights
    mixed: bool = False  #: bfloat16 where the processor multiplies it faster
    mirror: bool = False  #: an unsure image may be classified again, mirrored
    #: In worker/train/.
    learner: Literal["network", "head"] = "network"

    def lasting(self, epochs: int) -> Recipe:
        """The recipe with exactly this number of epochs, regardless of the number of images."""
        # Small sets keep their smaller batches.
        return msgspec.structs.replace(self, epochs=epochs, least_steps=min(1, self.least_steps))


#: Height, width and channels for class folders of images like Fashion-MNIST's.
GREY = (28, 28, 1)
#: Chosen on the held-out images only, not on the test set. No label smoothing, unlike airbench: at
#: 8 epochs the calibrated held-out loss was 0.185 without, 0.192 with 0.05 and 0.195 with 0.1, and
#: the confidence column depends on it.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            # https://www.tensorflow.org/tutorials/keras/classification
            name="tutorial",
            network="dense",
            widths=(128,),
            size=GREY,
            epochs=10,
            batch=32,
            peak_rate=0.001,
        ),
        Recipe(
            # A small grey version of https://github.com/KellerJordan/cifar10-airbench.
            name="fast",
            network="small_conv",
            widths=(32, 96, 96),
            size=GREY,
            epochs=20,
            least_steps=600,
            batch=256,
            peak_rate=0.014,
            warmup_share=0.2,
            one_cycle=True,
            decay=0.05,
            flip=True,
            shift_pixels=1,
            erase=0.25,
            average=0.99,
            mixed=True,
            mirror=True,
        ),
        Recipe(
            # A residual network (arXiv:1512.03385) with random erasing (arXiv:1708.04896), narrow
            # where the images are large and wide where they are small.
            name="accurate",
            network="residual",
            widths=(16, 64, 96),
            blocks=(1, 2, 2),
            size=GREY,
            epochs=50,
            least_steps=2000,
            batch=128,
            peak_rate=0.006,
            warmup_share=0.1,
            one_cycle=True,
            decay=0.05,
            flip=True,
            shift_pixels=2,
            erase=0.5,
            average=0.999,
            mixed=True,
            mirror=True,
        ),
        # Colour photos: a linear head on the features of each of two pretrained networks.
        Recipe(
            name="photo-head",
            network="head",
            backbone="efficientnet-lite0",
            second_backbone="efficientnet-lite2",
            learner="head",
        ),
    )
}
#: The default recipes: of the data set that is built in, and of a folder.
OF_BUILT_IN, OF_FOLDER = "fast", "photo-head"
#: What version 0.2.0 called `photo-head` as well, and its recipes that are gone.
FORMER_NAMES = {"photo": "photo-head"}
GONE = ("photo-head-large", "photo-fine", "photo-scratch", "photo-together")


def current(name: str) -> str:
    """The name of a recipe, by its former name or this one."""
    return FORMER_NAMES.get(name, name)


def is_for_photos(name: str) -> bool:
    """Whether the recipe with this name, which need not exist, is one of photos."""
    row = RECIPES.get(current(name))
    return row is not None and bool(row.backbone)


def ships(backbone: str) -> bool:
    """Whether a backbone comes with Hangtag; an empty name is that of a recipe's own."""
    rows = RECIPES.values()
    return backbone in {"", *(name for row in rows for name in (row.backbone, row.second_backbone))}


def find(name: str) -> Recipe:
    """The recipe with this name.

    Raises:
        SetupError: there is none.
    """
    return row_named(RECIPES, "recipe", current(name), "hangtag train --help")
