"""Calls on a thread: it is kept for the next, unless it hangs or is not there any more."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import threading
import time
import weakref
from typing import Any

import pytest

from paratrooper_ref.conformance import watch
from paratrooper_ref.conformance.watch import STRANDED, HungError, Watch


@pytest.fixture(autouse=True)
def nobody_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without threads of other tests."""
    monkeypatch.setattr(watch, "_idle", [])


def on(watched: Watch) -> int:
    """Return which thread a call is made on."""
    return int(watched.call(threading.get_ident))


def closed(watched: Watch) -> int:
    """Return which thread a call was made on, by one that is closed now."""
    thread = on(watched)
    watched.close()
    return thread


def test_a_thread_is_kept_for_the_next() -> None:
    """So that what compiles meets one thread alone; two at a time have two."""
    first = closed(Watch(5.0))
    assert first != threading.get_ident()
    one, two = Watch(5.0), Watch(5.0)
    assert on(one) == first
    assert on(two) != first
    for watched in (one, two):
        watched.close()
        watched.close()
    assert len(watch._idle) == 2


def test_one_that_hangs_is_left_behind() -> None:
    """Nobody waits behind it, and after so many nobody asks."""
    first = closed(Watch(5.0))
    hangs = Watch(0.02)
    for _ in range(STRANDED):
        with pytest.raises(HungError, match="no answer in"):
            hangs.call(time.sleep, 0.5)
    with pytest.raises(HungError, match="calls before it have hung"):
        hangs.call(int)
    hangs.close()
    assert closed(Watch(5.0)) != first


def test_an_interruption_leaves_the_thread_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may still be at work: it is not given to another."""

    class Interrupted:
        def put(self, answer: Any) -> None:
            """Take an answer."""

        def get(self, timeout: float) -> Any:
            """Be interrupted instead."""
            raise KeyboardInterrupt

    watched = Watch(5.0)
    first = on(watched)
    monkeypatch.setattr(queue, "SimpleQueue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        watched.call(int)
    monkeypatch.undo()
    monkeypatch.setattr(watch, "_idle", [])
    watched.close()
    assert closed(Watch(5.0)) != first


def test_what_is_raised_is_raised_and_the_thread_goes_on() -> None:
    """Whatever it is."""
    watched = Watch(5.0)
    first = on(watched)
    with pytest.raises(ZeroDivisionError):
        watched.call(divmod, 1, 0)
    with pytest.raises(SystemExit):
        watched.call(exit)
    assert on(watched) == first


def test_an_idle_thread_holds_nothing() -> None:
    """Neither what it was asked with nor what it answered."""

    class Thing:
        """Something that can be weakly referred to."""

    thing, watched = Thing(), Watch(5.0)
    seen = weakref.ref(thing)
    watched.call(id, thing)
    watched.close()
    del thing
    until = time.monotonic() + 5.0
    while seen() is not None and time.monotonic() < until:
        gc.collect()  # the thread may be about to let go
    assert seen() is None


def _in_child(answers: Any) -> None:
    try:
        answers.put(Watch(5.0).call(os.getpid))
    except HungError as error:
        answers.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of its parent are not there."""
    monkeypatch.undo()  # the list that a fork empties
    closed(Watch(5.0))
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(answers,))
    child.start()
    assert answers.get() == child.pid
    child.join()
