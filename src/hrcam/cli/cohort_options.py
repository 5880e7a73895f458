"""Options of the commands that open a cohort."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hrcam.artifacts.cache import Cache


class ColourChoice(StrEnum):
    """What becomes of pictures in colour."""

    LUMINANCE = "luminance"
    RGB = "rgb"


class TaskChoice(StrEnum):
    """What is learnt of a scan."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    LABELS = "labels"


Task = Annotated[
    TaskChoice,
    typer.Option("--task", help="What is learnt: classes, numbers, as age, or several labels."),
]
Suffix = Annotated[str | None, typer.Option(help="Of the images of a BIDS data set, as T1w.")]
Space = Annotated[
    str | None,
    typer.Option(help="Of BIDS derivatives, as MNI152NLin2009cAsym; native for those without."),
]
Desc = Annotated[
    str | None, typer.Option(help="Of BIDS derivatives, as preproc; none for those without.")
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Regular expression whose part in brackets names the participant in the name of an "
        "image.",
        show_default="one participant per name, folder or row",
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Column of the table with the class or number; NAME,NAME for several labels.",
        show_default="label",
    ),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the table with the image.", show_default="image"),
]
Colours = Annotated[
    ColourChoice,
    typer.Option("--colour", help="Of pictures in colour: their luminance, or three channels."),
]
CACHE_SIZE = 20.0
CacheSize = Annotated[
    float,
    typer.Option(
        min=0, metavar="GB", help="Room for prepared scans in the run, in 1,000,000,000 bytes."
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Keep no prepared scans in the run, and use none.")
]


def cache_of(run: Path, size: float, no_cache: bool) -> "Cache | None":
    """Return the cache in the folder of a run; None if there is to be none."""
    from hrcam.artifacts.cache import CACHE, Cache

    return None if no_cache else Cache(run / CACHE, round(size * 10**9))
