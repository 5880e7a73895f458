"""Calls in threads, never more than a few at once."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

import torch

Result = TypeVar("Result")
P = ParamSpec("P")


class BoundedPool(Generic[Result]):
    """Runs calls in threads and takes their results in order; leaving it waits for all.

    Parameters
    ----------
    workers
        Number of threads; 1 runs each call at once in the calling thread.
    take
        Called with each result, in the thread that submits.

    Raises
    ------
    Exception
        Whatever a call raises comes out of a later `submit` or `settle`; calls that have not begun
        are then dropped.
    """

    def __init__(self, workers: int, take: Callable[[Result], None]) -> None:
        self._workers, self._take = workers, take
        self._running: deque[Future[Result]] = deque()
        self._threads_before = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        if workers > 1:
            # Each thread computes, so that all together use the cores that one would use.
            share = max(1, self._threads_before // workers)
            self._pool = ThreadPoolExecutor(
                workers, "hrcam-map", torch.set_num_threads, initargs=(share,)
            )

    def submit(self, call: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> None:
        """Run a call, after waiting while as many as there are threads, and one more, run."""
        if self._pool is None:
            self._take(call(*arguments, **options))
            return
        while len(self._running) > self._workers:
            self._take_first()
        self._running.append(self._pool.submit(call, *arguments, **options))

    def settle(self) -> None:
        """Wait for all calls and take their results; no thread is then at work."""
        while self._running:
            self._take_first()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                torch.set_num_threads(self._threads_before)

    def _take_first(self) -> None:
        self._take(self._running.popleft().result())
