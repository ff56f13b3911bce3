"""Work on cases in several processes, in order, with progress and without loss on interruption."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def mapped(work: Callable[[Job], Result], jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    """Yield the results in the order of the jobs, whatever the number of processes."""
    if processes <= 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    # NOTE: a fresh interpreter each, as a fork would take over locks that another thread holds.
    pool = ProcessPoolExecutor(
        min(processes, len(jobs)), mp_context=get_context("spawn"), initializer=_quiet
    )
    try:
        yield from pool.map(work, jobs, chunksize=1)
    finally:
        pool.shutdown(cancel_futures=True)


def _quiet() -> None:
    """Leave an interruption from the keyboard to the process that hands out the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
