"""Calls that may not come back: made on a thread of their own, and left behind if they hang.

A thread that is done is kept for the next one that watches, and does not end.  What compiles
code keeps tables by thread: torch 2.11 raises when it compiles on a second one, and under Python
3.12 spoils the memory of the process when one that has compiled ends.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

SECONDS: Final = 30.0  # a step may take: more than compiling one does on a busy machine
STRANDED: Final = 3  # calls that hang before a backend is given up: each leaves a thread behind


_idle: list[queue.SimpleQueue[Any]] = []  # what threads wait for that have nothing to do
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has none of the threads


class HungError(TimeoutError):
    """A call has not come back in its time."""


class Watch:
    """Make calls on a worker thread, each with a time limit.

    A thread cannot be stopped from outside: one that hangs is left to itself, as a daemon, and
    the next call gets a new one.  A call that never lets go of the interpreter cannot be timed
    out so; `ProcessBackend` is for such code.

    Parameters
    ----------
    seconds : float
        Limit of a call.

    Examples
    --------
    >>> Watch(seconds=5.0).call(divmod, 7, 2)
    (3, 1)
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.hung = 0
        self._work: queue.SimpleQueue[Any] | None = None

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what the function returns, or raise what it raises.

        Raises
        ------
        HungError
            If it takes longer than the limit, or the limit was passed too often before.
        """
        if self.hung >= STRANDED:
            msg = f"not called: {self.hung} calls before it have hung"
            raise HungError(msg)
        if self._work is None:
            self._work = _idle.pop() if _idle else _thread()
        answer: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._work.put((function, args, answer))
        try:
            good, result = answer.get(timeout=self.seconds)
        except queue.Empty:
            self.hung += 1
            self._work = None
            msg = f"no answer in {self.seconds:g} s"
            raise HungError(msg) from None
        except BaseException:  # interrupted: the call goes on, and the thread is nobody's
            self._work = None
            raise
        if not good:
            raise result
        return result

    def close(self) -> None:
        """Leave the thread to others."""
        if self._work is not None:
            _idle.append(self._work)
            self._work = None


def _thread() -> queue.SimpleQueue[Any]:
    """Return what a new thread waits for."""
    work: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_serve, args=(work,), daemon=True).start()
    return work


def _serve(work: queue.SimpleQueue[Any]) -> None:
    while True:
        function, args, answer = work.get()
        try:
            answer.put((True, function(*args)))
        except BaseException as error:  # whatever it is, it is the caller's to judge
            answer.put((False, error))
        del function, args, answer  # what is idle holds nothing
