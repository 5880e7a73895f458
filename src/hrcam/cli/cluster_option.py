"""The option of the commands whose work a cluster can do."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hrcam.cluster import Cluster

Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|ADDRESS|local[:N]",
        help="Dask scheduler whose workers do the work, or N processes of this machine.",
        show_default="no cluster",
    ),
]


def opened_cluster(scheduler: str | None) -> "AbstractContextManager[Cluster | None]":
    """Open the cluster that is asked for, for the time of a command."""
    if scheduler is None:
        return nullcontext()
    from hrcam.cluster import open_cluster

    return open_cluster(scheduler)
