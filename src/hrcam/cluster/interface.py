"""What a job asks of a cluster, whatever runs the work."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from hrcam.errors import MachineError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Killed:
    """What comes in place of a result where a call kills the workers that run it.

    Attributes
    ----------
    workers
        How many died, one after the other.
    """

    workers: int

    def __str__(self) -> str:
        """Say it of what they were at work on."""
        return f"{self.workers} workers died of it, one after the other"


def workers_died(undone: str) -> MachineError:
    """Return the error of a job that cannot end as calls kill the workers that run them.

    Parameters
    ----------
    undone
        What could not be done.
    """
    return MachineError(
        f"{undone}: workers died of it, as when memory or their time runs out; give them more, and "
        "run the same command again"
    )


class Cluster(Protocol):
    """Runs calls in processes elsewhere, which see the same files under the same paths."""

    def outcomes(
        self, call: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | Killed]]:
        """Yield items with the results of a call, as they come.

        A call whose worker dies is made again on another one, so it has to find what is done.

        Parameters
        ----------
        call
            Can be pickled, as can the items and the results.
        items
            Taken a few ahead of the workers.

        Yields
        ------
        tuple
            An item, and its result or that it kills workers.

        Raises
        ------
        MachineError
            If the connection to the cluster is lost.
        Exception
            Whatever a call raises; calls that have not ended are then dropped.
        """
        ...


def each_item(
    cluster: Cluster,
    call: Callable[[Sequence[Item]], Sequence[Result]],
    items: Iterable[Item],
    window: int,
) -> Iterator[tuple[Item, Result | Killed]]:
    """Yield items with the results of a call that takes some of them at a time.

    Whichever item of a window kills workers, and whatever else these workers had to do, is not
    known. So at the end, with nothing else at work, each item of such windows is tried alone.

    Parameters
    ----------
    cluster
        Runs the calls.
    call
        Gives one result for each item; see `Cluster.outcomes`.
    items
        Taken a few windows ahead of the workers.
    window
        Number of items for each call.

    Yields
    ------
    tuple
        As `Cluster.outcomes`.
    """
    suspects: list[Item] = []
    for some, results in cluster.outcomes(call, _windows(iter(items), window)):
        if isinstance(results, Killed):
            suspects += some
        else:
            yield from zip(some, results, strict=True)
    for item in suspects:
        for _, results in cluster.outcomes(call, [[item]]):
            yield item, results if isinstance(results, Killed) else results[0]


def _windows(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while some := list(islice(items, size)):
        yield some
