"""Options of the commands that open a cohort."""

from enum import StrEnum
from typing import Annotated

import typer


class ColourChoice(StrEnum):
    """What becomes of pictures in colour."""

    LUMINANCE = "luminance"
    RGB = "rgb"


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
Colours = Annotated[
    ColourChoice,
    typer.Option("--colour", help="Of pictures in colour: their luminance, or three channels."),
]
