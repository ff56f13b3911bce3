"""Schedules: the effective learning rate of each step, one double.

A schedule is pure.  ``state = schedule.init(lr)`` begins it, and before step t (from 1)
``state, rate = schedule(state, t, metric)`` gives the rate of that step; ``metric`` is the
measure that the schedule names in ``schedule.metric`` (None: it needs none), taken at the
parameters from which the step starts.  A state is a tuple of numbers, so it can be stored.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, NamedTuple

from paratrooper_ref.arithmetic import EXACT, scalar
from paratrooper_ref.optimizers.hyper import check, choice, integer, nearest, real

ScheduleState = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """What a schedule is made of; final classes declare their numbers as fields."""

    name: ClassVar[str]
    metric: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        for declared in fields(self):
            value = check(type(self).__name__, declared, getattr(self, declared.name))
            object.__setattr__(self, declared.name, value)

    @abstractmethod
    def init(self, lr: float) -> ScheduleState:
        """Return the state before the first step, for an optimizer's learning rate."""

    @abstractmethod
    def __call__(
        self, state: ScheduleState, t: int, metric: float | None = None
    ) -> tuple[ScheduleState, float]:
        """Return the state, and the rate of step t."""

    @abstractmethod
    def asks(self, t: int) -> bool:
        """Return whether the rate of step t depends on the metric before it."""

    @property
    def spec(self) -> dict[str, Any]:
        """What this schedule is, as plain data."""
        return {"schedule": self.name, "arguments": asdict(self)}


@dataclass(frozen=True, kw_only=True)
class LinearWarmup(Schedule):
    """Rise in equal parts: the rate of step t is lr t / steps, until it is lr.

    Parameters
    ----------
    steps : int
        The step that first has the full rate, >= 1.

    Examples
    --------
    >>> LinearWarmup(steps=4)((0.1,), t=1)[1]
    0.025
    """

    name: ClassVar[str] = "warmup"
    steps: int = integer(1000, least=1)

    def asks(self, t: int) -> bool:
        """Return False: no metric is needed."""
        return False

    def init(self, lr: float) -> ScheduleState:
        """Return the state: the learning rate."""
        return (lr,)

    def __call__(
        self, state: ScheduleState, t: int, metric: float | None = None
    ) -> tuple[ScheduleState, float]:
        """Return the state as it is, and the rate of step t, rounded once."""
        (lr,) = state
        return state, lr if t >= self.steps else float(scalar(EXACT, lr) * t / self.steps)


@dataclass(frozen=True, kw_only=True)
class FlatThenCosine(Schedule):
    """Keep the rate for most of the run, then bring it to 0 along half a cosine.

    With F the integer nearest to flat * steps the rate is lr up to step F, and after it
    lr (1 + cos(π (t - F) / (steps - F))) / 2, which is 0 at the last step.  π is the double,
    the cosine is correctly rounded, and so is what follows it.

    Parameters
    ----------
    steps : int
        Length of the run, >= 1.
    flat : float
        Share of the steps at the full rate, in [0, 1].

    Examples
    --------
    >>> cosine = FlatThenCosine(steps=100)
    >>> [round(cosine((1.0,), t)[1], 3) for t in (72, 73, 86, 100)]
    [1.0, 0.997, 0.5, 0.0]
    """

    name: ClassVar[str] = "cosine"
    steps: int = integer(1000, least=1)
    flat: float = real(0.72, most=1, closed=True)

    def asks(self, t: int) -> bool:
        """Return False: no metric is needed."""
        return False

    def init(self, lr: float) -> ScheduleState:
        """Return the state: the learning rate."""
        return (lr,)

    def __call__(
        self, state: ScheduleState, t: int, metric: float | None = None
    ) -> tuple[ScheduleState, float]:
        """Return the state as it is, and the rate of step t."""
        (lr,) = state
        flat = round(self.flat * self.steps)
        if t <= flat:
            return state, lr
        if t >= self.steps:
            return state, 0.0
        angle = scalar(EXACT, math.pi) * (t - flat) / (self.steps - flat)
        return state, float(scalar(EXACT, lr) * (1 + scalar(EXACT, float(angle.cos()))) / 2)


class Plateau(NamedTuple):
    """What ReduceOnPlateau knows: the rate, the best metric, bad and cooling epochs."""

    lr: float
    best: float
    bad: float
    cooling: float


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Cut the rate when the loss has stopped improving, as torch's ReduceLROnPlateau does.

    It looks once an epoch, before steps epoch + 1, 2 epoch + 1, ..., at the metric that the
    epoch before has led to.

    Parameters
    ----------
    epoch : int
        Steps in an epoch, >= 1.
    factor : float
        What a cut multiplies the rate with, in [0, 1).
    patience : int
        Bad epochs allowed; one more cuts the rate.
    threshold : float
        Least improvement that counts, >= 0: a share of the best ("rel") or an amount ("abs").
    threshold_mode : {"rel", "abs"}
        See threshold.
    mode : {"min", "max"}
        Whether the metric should fall or rise.
    cooldown : int
        Epochs after a cut in which none is counted as bad.
    min_lr : float
        The rate goes no lower, >= 0.
    eps : float
        Cuts by no more than this are skipped, >= 0.
    """

    name: ClassVar[str] = "plateau"
    metric: ClassVar[str | None] = "loss"
    epoch: int = integer(1, least=1)
    factor: float = real(0.1, most=1)
    patience: int = integer(10, least=0)
    threshold: float = real(1e-4)
    threshold_mode: str = choice("rel", "rel", "abs")
    mode: str = choice("min", "min", "max")
    cooldown: int = integer(0, least=0)
    min_lr: float = real(0.0)
    eps: float = real(1e-8)

    def asks(self, t: int) -> bool:
        """Return whether an epoch has ended before step t."""
        return t > 1 and (t - 1) % self.epoch == 0

    def init(self, lr: float) -> ScheduleState:
        """Return the state before the first epoch."""
        return Plateau(lr, math.inf if self.mode == "min" else -math.inf, 0, 0)

    def __call__(
        self, state: ScheduleState, t: int, metric: float | None = None
    ) -> tuple[ScheduleState, float]:
        """Return the state after the epoch that has just ended, if one has, and the rate."""
        lr, best, bad, cooling = state
        if not self.asks(t):
            return state, lr
        if metric is None:
            msg = f"ReduceOnPlateau needs the {self.metric} at t={t}, got metric=None"
            raise ValueError(msg)
        if self._better(metric, best):
            best, bad = metric, 0
        else:
            bad += 1
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad > self.patience:
            cut = max(lr * self.factor, self.min_lr)
            lr = cut if lr - cut > self.eps else lr
            cooling, bad = self.cooldown, 0
        return Plateau(lr, best, bad, cooling), lr

    def _better(self, metric: float, best: float) -> bool:
        if self.threshold_mode == "rel":
            step = -self.threshold if self.mode == "min" else self.threshold
            bar = best * (1 + step)
        else:
            bar = best - self.threshold if self.mode == "min" else best + self.threshold
        return metric < bar if self.mode == "min" else metric > bar


SCHEDULES: Final[dict[str, type[Schedule]]] = {
    family.name: family for family in (ReduceOnPlateau, FlatThenCosine, LinearWarmup)
}


def build_schedule(spec: dict[str, Any]) -> Schedule:
    """Return the schedule that a spec describes, the inverse of `Schedule.spec`.

    Raises
    ------
    ValueError
        If the schedule is unknown.
    """
    if spec["schedule"] not in SCHEDULES:
        known = nearest(spec["schedule"], SCHEDULES)
        msg = f"build_schedule needs a known schedule, got {spec['schedule']!r}; {known}"
        raise ValueError(msg)
    return SCHEDULES[spec["schedule"]](**spec["arguments"])
