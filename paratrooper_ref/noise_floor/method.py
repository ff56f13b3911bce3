"""A method, which is an optimizer and an average, as steps of a linear recursion.

SGD, momentum, Lookahead and averages of weights are linear in the state s = (θ, u, φ, average),
which has at most four numbers a mode, so a step is s ← F s + b w.  F and b are written nowhere:
the optimizer's own rules are run on linear forms, which are rows of coefficients of (s, w), in
place of numbers.  k steps are a cycle of Lookahead, and cycles are squared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paratrooper_ref.noise_floor.averages import EMA, Average, Tail
from paratrooper_ref.noise_floor.modes import Modes
from paratrooper_ref.noise_floor.moments import Moments
from paratrooper_ref.noise_floor.recursion import Recursion
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import parameters
from paratrooper_ref.optimizers.lookahead import lookahead
from paratrooper_ref.optimizers.sgd import sgd
from paratrooper_ref.optimizers.state import Array


class Method:
    """An optimizer and an average, as the steps of a linear recursion."""

    def __init__(
        self, who: str, optimizer: Optimizer, modes: Modes, average: Average, lr: Any
    ) -> None:
        stages = optimizer.stages() if hasattr(optimizer, "stages") else (None,)
        if not {*stages} <= {sgd, lookahead}:
            msg = f"{who} needs SGD or Lookahead(SGD), whose steps are linear, got {optimizer!r}"
            raise TypeError(msg)
        given: object = average
        if not isinstance(given, EMA | Tail | None):
            msg = f"{who} needs an average EMA(decay=...), Tail(last=...) or None, got {average!r}"
            raise TypeError(msg)
        hyper = optimizer.hyper("x")  # the one layer of the noisy quadratic
        if hyper["weight_decay"]:
            msg = (
                f"{who} needs weight_decay=0 (decay pulls to 0, not to the minimizer), "
                f"got {optimizer!r}"
            )
            raise ValueError(msg)
        if lr is not None:
            rates = np.asarray(lr, dtype=np.float64)
            if not np.all(np.isfinite(rates) & (rates >= 0)):
                msg = f"{who} needs finite rates >= 0, got lr={lr!r}"
                raise ValueError(msg)
            hyper["lr"] = rates[..., None, None]
        self.optimizer, self.modes, self.average, self.hyper = optimizer, modes, average, hyper
        self.period = int(hyper.get("k", 1))
        self.names = ("theta", *optimizer.slots(), *(["average"] if average else []))

    def step(self, t: int, joins: bool) -> Recursion:
        """Return step t: the rules, run on the rows of an identity matrix."""
        *rows, w = np.eye(len(self.names) + 1)
        state: dict[str, Any] = dict(zip(self.names, rows, strict=True))
        g = self.modes.curvature[:, None] * state["theta"] + w
        names = self.hyper | state | {"t": t, "g": g}
        for rule in self.optimizer.stages():
            names |= rule(**{name: names[name] for name in parameters(rule)})
        if self.average:  # before its window a tail is 0
            names["average"] = (
                self.average.joined(names["average"], names["theta"]) if joins else 0 * w
            )
        forms = np.stack(np.broadcast_arrays(*(names[name] for name in self.names)), axis=-2)
        f, b = forms[..., :-1], forms[..., -1]
        q = self.modes.noise[:, None, None]
        return Recursion(transition=f, noise=q * b[..., :, None] * b[..., None, :])

    def steps(self, first: int, last: int, joins: bool = True) -> Recursion:
        """Return the steps from first to last; those that repeat a whole cycle are squared."""
        if isinstance(self.average, Tail) and joins and last - first >= self.average.last:
            before = last - self.average.last
            return self.steps(first, before, joins=False).then(self.steps(before + 1, last))
        k, t = self.period, first
        d = len(self.names)
        done = Recursion(transition=np.eye(d), noise=np.zeros((d, d)))
        while t <= last:
            cycles = (last - t + 1) // k if t > 1 else 0
            if cycles > 1:
                done = done.then(self.steps(t, t + k - 1, joins).times(cycles))
                t += cycles * k
            else:
                done = done.then(self.step(t, joins))
                t += 1
        return done

    def moments(self, mean: Array, covariance: Array) -> Moments:
        """Return them, inf where the arithmetic has overflowed."""
        return Moments(
            names=self.names,
            curvature=self.modes.curvature,
            mean=np.where(np.isnan(mean), np.inf, mean),
            covariance=np.where(np.isnan(covariance), np.inf, covariance),
        )
