"""What a failure comes down to: the fewest events that show it, and what it is then called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from paratrooper_ref.conformance import judge
from paratrooper_ref.conformance.follow import (
    Discarded,
    Event,
    Failed,
    allowed,
    computed,
    kind_of,
    with_still,
)
from paratrooper_ref.conformance.verdict import DEPARTS, FORGETS, KEEPS, LOSES


def again(failed: Failed, events: Iterable[Event]) -> Failed | None:
    """Return how a backend fails at other events, or None if it does not in the same way."""
    run = failed.run.anew()
    try:
        for event in events:
            run.do(event)
    except Failed as error:
        return error if error.verdict == failed.verdict else None
    except Discarded:
        return None
    return None


def explained(failed: Failed) -> Failed:
    """Return the least of a failure: one step if that shows it, and what it takes besides.

    A run that goes wrong only because it was reloaded, or because another optimizer was there,
    is called so.
    """
    if failed.verdict not in (DEPARTS, LOSES) or len(failed.run.events) <= 2:
        return failed
    if (single := _single(failed)) is not None:
        return single
    failed = shortened(failed)
    run, taken = failed.run, failed.taken
    if any(e.do == "reload" for e in run.events):
        detail = f"{failed.detail}, and is not if it is not saved and loaded before"
        return kind_of(FORGETS)(FORGETS, detail, run, taken)
    if any(e.handle != run.events[-1].handle for e in run.events):
        detail = f"{failed.detail}, and is not if there is no other optimizer beside it"
        return kind_of(KEEPS)(KEEPS, detail, run, taken)
    return failed


def _single(failed: Failed) -> Failed | None:
    """Return how a backend fails if it starts from what it showed before its last step."""
    taken = failed.taken
    if taken is None or not failed.run.profile.inject:
        return None
    if not all({"theta", *taken.question.slots} <= of.keys() for of in taken.shown.values()):
        return None
    asked = taken.question
    try:
        failed.run.anew().once(asked.state, asked.grads, asked.lr)
    except Failed as error:
        return error
    except Discarded:
        pass
    return None


def shortened(failed: Failed) -> Failed:
    """Return a failure without the events that it does not take."""
    handles = sorted({e.handle for e in failed.run.events} - {failed.run.events[-1].handle})
    for handle in reversed(handles):
        others = [e for e in failed.run.events if e.handle != handle]
        fewer = [replace(e, handle=e.handle - (e.handle > handle)) for e in others]
        failed = again(failed, fewer) or failed
    place = len(failed.run.events) - 2
    while place > 0:
        events = failed.run.events
        if events[place].do != "start":
            failed = again(failed, [*events[:place], *events[place + 1 :]]) or failed
        place = min(place, len(failed.run.events) - 1) - 1
    return failed


def told_besides(failed: Failed) -> list[str]:
    """Return what a failing run says besides: that a layer counts steps of its own.

    That is so if all would be right, had the step the number that the layer's gradients give.
    """
    run, taken = failed.run, failed.taken
    if taken is None or run.dialect is not None:
        return []
    steps = [e for e in run.events[:-1] if e.do == "step" and e.handle == run.events[-1].handle]
    layer = max(taken.shares, key=lambda s: s.share).layer
    missed = sum(e.grads[layer] is None for e in steps)
    if not missed:
        return []
    asked = taken.question
    state = replace(asked.state, t=asked.state.t - missed)
    try:
        expected = computed(taken.optimizer, state, asked.grads, asked.lr)
        within = allowed(taken.optimizer, state, asked.grads, asked.lr, run.profile, {})
    except Discarded:
        return []
    shares = judge.shares(state.t + 1, expected, taken.shown, with_still(within, expected, {}))
    if any(s.share > 1 for s in shares if s.layer == layer):
        return []
    right = f"layer {layer!r} would be right at t={state.t + 1}: it counts steps with a gradient"
    return [f"  {right}, and had none in {missed} (a dialect; frozen=False leaves this out)"]
