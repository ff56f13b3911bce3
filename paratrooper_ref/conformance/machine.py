"""A stateful machine: what an optimizer in use has done to it, in any order.

In a test file::

    TestMine = machine(TorchBackend(MyAdam), "adam").TestCase
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from hypothesis import reject, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from paratrooper_ref.conformance.backend import Backend
from paratrooper_ref.conformance.follow import Discarded, Failed, Run
from paratrooper_ref.conformance.properties import Trial, as_told
from paratrooper_ref.conformance.strategies import Example, gradients
from paratrooper_ref.optimizers import State, build

OTHERS: Final = 2  # optimizers that may be started beside the first


def machine(backend: Backend, algorithm: str, **options: Any) -> type[RuleBasedStateMachine]:
    """Return a stateful machine for a backend.

    Parameters
    ----------
    backend, algorithm, **options
        As in `paratrooper_ref.conformance.properties.Trial`.
    """
    return of_trial(Trial(backend, algorithm, **options))


def of_trial(trial: Trial) -> type[RuleBasedStateMachine]:
    """Return the machine of a trial, which counts what is done."""
    fresh = None if trial.profile.inject else True

    class Optimizers(RuleBasedStateMachine):
        """Optimizers of one spec, the first of them and others beside it."""

        run: Run | None = None
        over = False

        @initialize(example=trial.examples(fresh=fresh, frozen=False, max_steps=1))
        def begin(self, example: Example) -> None:
            """Start the first optimizer."""
            self.state = example.state
            self.shapes = {k: np.shape(x) for k, x in example.state.params.items()}
            self.last, self.lr = example.steps[0].grads, example.steps[0].lr
            self.frozen: set[str] = set()
            self.others = 0
            hyper = build(example.spec).hyper()
            self.zero, self.shared = hyper.get("eps") != 0, hyper["lr"] > 0
            self._do(lambda: self._begun(example))
            if self.run is None:
                reject()

        def _begun(self, example: Example) -> None:
            self.run = trial.begin(example.spec)
            self.run.start(as_told(self.run, example.state))

        def _do(self, ask: Any) -> None:
            """Ask for something; what no bound can be told of ends the run."""
            if self.over:
                return
            try:
                ask()
            except Discarded as reason:
                self.over = True
                trial.discard(reason)
            except Failed as failed:
                self.over = True
                trial.fail(failed)

        def _step(self, handle: int) -> None:
            grads = {k: None if k in self.frozen else g for k, g in self.last.items()}
            assert self.run is not None
            run = self.run
            self._do(lambda: run.step(grads, self.lr, handle))

        @rule(data=st.data())
        def step(self, data: st.DataObject) -> None:
            """Take a step along a new gradient."""
            self.last = data.draw(
                gradients(
                    self.shapes, profile=trial.profile, dense=trial.dense, frozen=False,
                    zero=self.zero,
                )
            )
            self._step(0)

        @rule()
        def step_again(self) -> None:
            """Take a step along the gradient of the last one."""
            self._step(0)

        @precondition(lambda self: trial.frozen)
        @rule(which=st.integers(0, 2))
        def freeze(self, which: int) -> None:
            """Freeze a layer, or let it move again."""
            names = list(self.shapes)
            self.frozen ^= {names[which % len(names)]}

        @rule(lr=st.sampled_from([0.5, 0.125, 1e-3, 0.1, 0.0]))
        def rate(self, lr: float) -> None:
            """Change the rate of the steps to come."""
            if self.shared:  # layers keep their proportion to it
                self.lr = lr

        @precondition(lambda self: hasattr(trial.backend, "reload"))
        @rule(which=st.integers(0, OTHERS))
        def reload(self, which: int) -> None:
            """Save an optimizer, and go on with what is loaded."""
            assert self.run is not None
            run = self.run
            self._do(lambda: run.reload(min(which, self.others)))

        @rule(which=st.integers(0, OTHERS))
        def read(self, which: int) -> None:
            """Read an optimizer: it is what it was."""
            assert self.run is not None
            run = self.run
            self._do(lambda: run.read(min(which, self.others)))

        @precondition(lambda self: self.others < OTHERS)
        @rule()
        def beside(self) -> None:
            """Start another optimizer, elsewhere, beside those that there are."""
            assert self.run is not None
            run = self.run
            self._do(lambda: run.start(_elsewhere(self.state)))
            self.others += 1

        @precondition(lambda self: self.others > 0)
        @rule()
        def step_of_other(self) -> None:
            """Take a step with the optimizer that was started last."""
            self._step(self.others)

        def teardown(self) -> None:
            """Count what was done."""
            if self.run is None:
                return
            trial.note(self.run)
            if self.run.taken:
                trial.tally.examples += 1
                target(max(t.worst for t in self.run.taken), label="error / bound")

    return Optimizers


def _elsewhere(state: State) -> State:
    """Return the state before a first step, from other parameters."""
    params = {name: -x + 0.0 for name, x in state.params.items()}
    zeros = {name: np.zeros_like(x) for name, x in params.items()}
    slots: dict[str, Any] = {
        slot: params if slot == "slow" else zeros
        for slot in ("m", "v", "u", "slow") if getattr(state, slot) is not None
    }
    return State(params=params, **slots)
