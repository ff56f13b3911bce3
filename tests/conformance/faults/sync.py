"""What goes wrong where fast and slow weights meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from paratrooper_ref.conformance.backend import Grads
from paratrooper_ref.conformance.verdict import DEPARTS
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.optimizers.lookahead import lookahead
from tests.conformance.faults.kept import clear, moving
from tests.conformance.faulty import Honest, is_fresh, put


class Pulls(Honest):
    """Something may be done after a synchronisation, and nothing is."""

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and see whether it is time."""
        super().step(handle, grads, lr)
        if handle.state.t % handle.optimizer.k == 0:
            self.afterwards(handle)

    def afterwards(self, handle: Any) -> None:
        """Do nothing."""

    def visible(self, golden: Golden) -> bool:
        """Return whether there is a synchronisation."""
        return any(step.t % golden.optimizer.hyper()["k"] == 0 for step in golden.steps)


class ResetsMoments(Pulls):
    """The moments begin anew."""

    verdict = DEPARTS
    of = ("sync.moments_reset",)

    def afterwards(self, handle: Any) -> None:
        """Begin them anew."""
        clear(handle)


class ResetsState(Pulls):
    """The moments begin anew, and the count too; the phase goes on, as it is by whole periods."""

    verdict = DEPARTS
    of = ("sync.state_reset",)

    def afterwards(self, handle: Any) -> None:
        """Begin all anew."""
        clear(handle)
        handle.state = replace(handle.state, t=0)


class Wraps(Honest):
    """Lookahead as a wrapper: a step of the inner optimizer, then the pull."""

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Let the inner optimizer move the weights that it sees, and move the fast ones so."""
        outer, before = handle.optimizer, handle.state
        inner = replace(outer.inner, layers=outer.layers)
        sees = self.sees(handle)
        given = {k: None if g is None else g.astype(self.dtype) for k, g in grads.items()}
        after, lines = inner.step(replace(before, params=sees, slow=None), given, lr)
        found = {s: dict(after.slot(s)) for s in inner.slots()}
        found |= {"theta": dict(before.params), "slow": dict(before.slow)}
        for layer in (k for k, g in grads.items() if g is not None):
            theta = before.params[layer] - lines[layer]["update"]
            hyper = outer.hyper(layer)
            alpha = self.dtype.type(hyper["alpha"])
            pulled = lookahead(after.t, theta, before.slow[layer], k=hyper["k"], alpha=alpha)
            found["theta"][layer], found["slow"][layer] = pulled["theta"], pulled["slow"]
        handle.state = replace(after, slow=before.slow)
        put(handle, found)
        handle.lines = lines

    def sees(self, handle: Any) -> Any:
        """Return the weights that the inner optimizer sees."""
        return handle.state.params


class HandsSlow(Wraps):
    """The inner optimizer sees the slow weights, and decays by them."""

    verdict = DEPARTS
    of = ("sync.inner_sees_slow",)

    def sees(self, handle: Any) -> Any:
        """Return the other weights."""
        return handle.state.slow

    def visible(self, golden: Golden) -> bool:
        """Return whether there is decay, and the weights are others."""
        return any(
            golden.optimizer.hyper(k).get("weight_decay") and not np.array_equal(
                golden.state(step).slot("slow")[k], golden.state(step).params[k]
            )
            for step in golden.steps for k in moving(golden, step)
        )


class ShowsSlow(Honest):
    """The slow weights are shown for the parameters."""

    verdict = DEPARTS
    of = ("sync.shows_slow",)

    def read(self, handle: Any) -> Any:
        """Show them."""
        found = super().read(handle)
        return found | {"theta": {k: np.array(x) for k, x in found["slow"].items()}}

    def visible(self, golden: Golden) -> bool:
        """Return whether it begins with fresh weights, and not with a synchronisation."""
        first = golden.steps[0]
        return is_fresh(golden, first) and bool(first.t % golden.optimizer.hyper()["k"])
