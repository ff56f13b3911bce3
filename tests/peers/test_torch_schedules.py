"""torch's ReduceLROnPlateau, whose every decision is one of a few comparisons of doubles."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import paratrooper_ref as pr
from tests.peers.layered import dialect

torch: Any = pytest.importorskip("torch", reason='torch comes with the extra "peers"')

pytestmark = pytest.mark.peers

NAMES = (
    "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps",
)


def scheduled(ours: pr.ReduceOnPlateau, *rates: float) -> tuple[Any, Any]:
    """Return torch's schedule with our arguments, and its optimizer with these rates."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups)
    arguments = {name: getattr(ours, name) for name in NAMES}
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **arguments), optimizer


METRICS = st.lists(
    st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, 1.0 - 1e-4, 0.9999, float("nan"), float("-inf")]),
        st.integers(-3, 3).map(float),
        st.floats(-2, 2),
        st.floats(),
    ),
    min_size=1,
    max_size=60,
)
SCHEDULES = st.builds(
    pr.ReduceOnPlateau,
    epoch=st.integers(1, 3),
    mode=st.sampled_from(["min", "max"]),
    factor=st.one_of(st.sampled_from([0.0, 0.1, 0.5]), st.floats(0, 1, exclude_max=True)),
    patience=st.integers(0, 4),
    threshold=st.one_of(st.sampled_from([0.0, 1e-4, 1.0]), st.floats(0, 2)),
    threshold_mode=st.sampled_from(["rel", "abs"]),
    cooldown=st.integers(0, 4),
    min_lr=st.one_of(st.just(0.0), st.floats(0, 0.2)),
    eps=st.one_of(st.sampled_from([0.0, 1e-8]), st.floats(0, 0.1)),
)


@settings(max_examples=200)
@given(SCHEDULES, st.floats(1e-3, 10), METRICS)
@example(pr.ReduceOnPlateau(patience=0, cooldown=2, factor=0.5), 1.0, [1.0] * 12)
@example(pr.ReduceOnPlateau(patience=1, mode="max", threshold_mode="abs"), 1.0, [-1.0] * 12)
@example(pr.ReduceOnPlateau(patience=0, factor=0.5), 1.0, [float("nan")] * 5 + [1.0, 2.0])
@example(pr.ReduceOnPlateau(patience=0, threshold=1.0), 1.0, [float("inf"), 1.0, -5.0])
@example(pr.ReduceOnPlateau(patience=0, min_lr=0.3), 0.2, [1.0, 1.0, 1.0])
@example(pr.ReduceOnPlateau(patience=0, factor=0.5, eps=0.5), 1.0, [1.0, 1.0, 1.0])
def test_every_rate_is_the_same_double(
    ours: pr.ReduceOnPlateau, lr: float, metrics: Sequence[float]
) -> None:
    """A rate is one product and one maximum, so after equal decisions the bits are equal.

    So are the best metric and both counters.  Ours is asked before each step, torch told after
    each epoch; the metrics are any doubles, NaN (never an improvement) and infinities included.
    """
    theirs, optimizer = scheduled(ours, lr)
    state = ours.init(lr)
    for t in range(1, ours.epoch * len(metrics) + 2):
        epoch, begun = divmod(t - 1, ours.epoch)
        if t > 1 and not begun:
            theirs.step(metrics[epoch - 1])
        state, rate = ours(state, t, metrics[max(epoch - 1, 0)])
        known = (rate, theirs.best, theirs.num_bad_epochs, theirs.cooldown_counter)
        assert state == known
        assert rate == optimizer.param_groups[0]["lr"]


@dialect(
    "holds each group's rate against eps and min_lr",
    "one rate; a layer's own keeps its proportion",
    "torch.optim.lr_scheduler.ReduceLROnPlateau",
)
def test_one_rate_for_all_layers() -> None:
    """A cut of 1e-9 is below eps: torch leaves the small rate, ours cuts it with the large one."""
    ours = pr.ReduceOnPlateau(patience=0, factor=0.5)
    theirs, optimizer = scheduled(ours, 0.1, 2e-9)
    layered = pr.SGD(lr=0.1).for_layers({"small": {"lr": 2e-9}})
    state = ours.init(layered.lr)
    for t in (1, 2, 3):
        state, rate = ours(state, t, 1.0)
        if t > 1:
            theirs.step(1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [rate, 2e-9]
    assert [layered.rate(rate), layered.rate(rate, "small")] == [0.05, 1e-9]


def test_defaults() -> None:
    """Ours has torch's defaults, and an epoch of one step, which torch leaves to the caller."""
    theirs = inspect.signature(torch.optim.lr_scheduler.ReduceLROnPlateau).parameters
    ours = pr.ReduceOnPlateau()
    assert {name: theirs[name].default for name in NAMES} == {
        name: getattr(ours, name) for name in NAMES
    }
