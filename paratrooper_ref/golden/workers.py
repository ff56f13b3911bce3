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

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(
    function: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[Result]:
    """Yield the results in the order of the items, whatever the number of processes."""
    if processes <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    # NOTE: a fresh interpreter each, as a fork would take over locks that another thread holds.
    pool = ProcessPoolExecutor(
        min(processes, len(items)), mp_context=get_context("spawn"), initializer=_begin
    )
    try:
        with _interruption_deferred():
            results = pool.map(function, items, chunksize=1)  # starts the processes
        yield from results
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interruption_deferred() -> Iterator[None]:
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


def _begin() -> None:
    """Leave the keyboard to the process that hands out the work, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
