"""Work on cases in several processes, in order, with progress and without loss on interruption."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
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
        min(processes, len(jobs)), mp_context=get_context("spawn"), initializer=_attend
    )
    try:
        with _undisturbed():
            results = pool.map(work, jobs, chunksize=1)  # starts the processes
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let processes that are started here leave the keyboard to the one that hands out work.

    They take over that the signal is blocked.  Here, where another thread may take it, an
    interruption waits until all are started.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    masks = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _attend() -> None:
    """End with the process that hands out the work, however that one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_outlived, daemon=True).start()


def _outlived() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
