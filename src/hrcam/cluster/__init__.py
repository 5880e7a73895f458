"""Work on many machines: what the jobs ask of a cluster, and Dask as the one that answers.

- `Cluster`: runs calls elsewhere and gives their results as they come.
- `open_cluster`: a Dask scheduler by its file or address, or workers on this machine.
- `each_item`: calls for many items, some at a time; one that kills its workers ends no other.
"""

from typing import TYPE_CHECKING

from hrcam.cluster.interface import Cluster, Killed, each_item, workers_died

if TYPE_CHECKING:
    from hrcam.cluster.dask_cluster import open_cluster

__all__ = ["Cluster", "Killed", "each_item", "open_cluster", "workers_died"]


def __getattr__(name: str) -> object:
    """Import Dask, an extra, when it is used."""
    if name == "open_cluster":
        from hrcam.cluster.dask_cluster import open_cluster

        return open_cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
