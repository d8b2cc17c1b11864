"""What was reached when the labelling ended, and the commands that use it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from producer.models.train import name_of
from producer.people.estimate import Standing
from producer.present.formatting import counted, percent, typed
from producer.summary.promise import range_of
from shared.errors import UsageError
from shared.labels import labels_file
from shared.labels.class_folders import UNKNOWN
from shared.messages.training import SMALLEST_CLASS

#: Labels that are named of those with too few images.
NAMED = 5
#: Images without a person's label are sorted by the model's if it is right this often, else
#: `unknown`.
ACCEPT = "95%"


def reached(standing: Standing, by_folders: int, labels: int, file: Path) -> str:
    """One line: what a person has named, and what becomes of the others. `by_folders` of the named
    images have a label that no person has seen."""
    named = f"{standing.named - by_folders:,} of {counted(standing.images, 'image')}"
    line = f"{named} named by a person, "
    if by_folders:
        line += f"{by_folders:,} by their folders, "
    line += f"{counted(labels, 'label')}, in {file}"
    if standing.without:
        line += f"; {standing.without:,} left out or not known"
    return f"{line}{_of_the_others(standing, labels)}"


def _of_the_others(standing: Standing, labels: int) -> str:
    """What would be right of them, and where a sort would put them: with fewer than two labels no
    version can."""
    others, right, sure = standing.others, standing.right_of_others, standing.sure
    if not others or labels < 2:
        return ""
    line, which = "", f"{sure:,} of the {others:,} others"
    if right is not None:
        share = percent(right.share, 0)
        line = f"; of the {others:,} others {share} would be right ({range_of(right)})"
        which = f"{sure:,} of them"
    are, come = "is" if sure == 1 else "are", "comes" if others - sure == 1 else "come"
    unknown = f"{others - sure:,} {come} into {UNKNOWN}/"
    return f"{line}; at {ACCEPT} {which} {are} accepted and {unknown}"


def unsure(standing: Standing) -> str:
    """A warning if no other image is sure: a version may accept some of kinds without a name."""
    if standing.sure or not standing.others:
        return ""
    return (
        f"none of the others is sure at {ACCEPT} yet; some may be of a kind that has no name: "
        "name more before they are sorted"
    )


def small_classes(labels: Mapping[str, int]) -> str:
    """Labels with too few images for a training; empty if none has."""
    small = {label: images for label, images in labels.items() if images < SMALLEST_CLASS}
    if not small or len(labels) < 2:
        return ""
    named = [f"{label} has {counted(n, 'image')}" for label, n in islice(small.items(), NAMED)]
    more = [f"{len(small) - NAMED:,} more have too few"] if len(small) > NAMED else []
    effect = (
        f"a training needs {SMALLEST_CLASS} of each"
        if len(labels) - len(small) < 2
        else f"a label of fewer than {SMALLEST_CLASS} is kept, but not learned"
    )
    remedy = "name more (= shows what is most like one), or merge labels with + on the page"
    return f"{', '.join([*named, *more])}; {effect}: {remedy}"


def next_steps(folder: str, file: Path, labels: int, backbone: str = "") -> list[tuple[str, str]]:
    """An aim and the command for it, one after another; none without two labels."""
    if labels < 2:
        return []
    own = [] if file == labels_file.default_path(folder) else [f"--labels={file}"]
    try:
        model, named = name_of(folder), list[str]()
    except UsageError:  # the folder's name cannot be that of a model
        model, named = "photos", ["--name", "photos"]
    if backbone:
        named += ["--backbone", backbone]
    learn = typed(["hangtag", "train", folder, *(own or ["--labels"]), *named])
    return [("learn from them", learn), *steps_after_training(folder, model)]


def steps_after_training(folder: str, model: str) -> list[tuple[str, str]]:
    """Aims and commands for the images of the folder, with the model of its labels."""
    table = f"{model}.csv"
    classify = ["hangtag", "classify", folder, "--model", model, "-o", table, "--accept", ACCEPT]
    sort = ["hangtag", "sort", table, "--into", f"{model}-sorted", "--copy"]
    return [
        ("then classify all", typed(classify)),
        ("then sort them", typed(sort)),
    ]
