"""Variants of schedules: what they make of a line, as data, and how it is put in place."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from paratrooper_ref.schedules import Schedule
from paratrooper_ref.variants.variant import Variant, VariantError, rewritten

_PLATEAU: Final = ("ReduceOnPlateau.__call__",)
_BETTER: Final = ("ReduceOnPlateau._better",)
_COSINE: Final = ("FlatThenCosine.__call__",)
_WARMUP: Final = ("LinearWarmup.__call__",)

_KERAS: Final = (
    "https://github.com/keras-team/keras/blob/3422977/keras/src/callbacks/reduce_lr_on_plateau.py"
)
_OPTAX: Final = (
    "https://github.com/google-deepmind/optax/blob/v0.2.8/optax/contrib/_reduce_on_plateau.py"
)
_FASTAI: Final = "https://github.com/fastai/fastai/blob/2.8.12/fastai/callback"
_TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/lr_scheduler.py"
_GRANKIN: Final = "https://github.com/mgrankin/over9000/blob"
_RANGER21: Final = "https://github.com/lessw2020/Ranger21/blob/1a96777/ranger21/ranger21.py"

_FIRES: Final = "if bad > self.patience:"
_CUT: Final = "cut = max(lr * self.factor, self.min_lr)"
_COOLING: Final = "cooling, bad = cooling - 1, 0"
_BAR: Final = "bar = best * (1 + step)"
_ANGLE: Final = "angle = scalar(EXACT, math.pi) * (t - flat) / (self.steps - flat)"
_HALVED: Final = "lr = float(scalar(EXACT, lr) * (1 + scalar(EXACT, float(angle.cos()))) / 2)"

SCHEDULE_VARIANTS: Final[dict[str, Variant]] = {
    v.name: v
    for v in (
        Variant(
            name="plateau.at_patience",
            rules=_PLATEAU,
            was=_FIRES,
            line="if bad >= self.patience:",
            kind="dialect",
            seen="Keras, fastai: an epoch earlier than torch",
            link=_KERAS,
        ),
        Variant(
            name="plateau.exactly_at_patience",
            rules=_PLATEAU,
            was=_FIRES,
            line="if bad == self.patience:",
            kind="bug",
            seen="optax: a patience of 0 cuts the rate where the metric improves",
            link=_OPTAX,
        ),
        Variant(
            name="plateau.patience_ignored",
            rules=_PLATEAU,
            was=_FIRES,
            line="if bad > 0:",
            kind="bug",
            seen="nitrain: the patience is stored and never used",
            link="https://github.com/nitrain/nitrain/issues/23",
        ),
        Variant(
            name="plateau.bad_stays",
            rules=_PLATEAU,
            was="cooling, bad = self.cooldown, 0",
            line="cooling = self.cooldown",
            kind="bug",
            seen="Keras until 2016: without a cooldown the rate is cut at every epoch that follows",
            link="https://github.com/keras-team/keras/issues/3991",
        ),
        Variant(
            name="plateau.cooldown_short",
            rules=_PLATEAU,
            was=_COOLING,
            line="cooling = cooling - 1\nbad = 0 if cooling > 0 else bad",
            kind="dialect",
            seen="Keras: a bad epoch counts already in the last one of the cooldown",
            link=_KERAS,
        ),
        Variant(
            name="plateau.cooldown_ignored",
            rules=_PLATEAU,
            was="if cooling > 0:",
            line="if False:",
            kind="bug",
            seen="a mutant",
        ),
        Variant(
            name="plateau.divides",
            rules=_PLATEAU,
            was=_CUT,
            line="cut = max(lr / self.factor, self.min_lr)",
            kind="dialect",
            seen="fastai: its factor is 10, and divides",
            link=f"{_FASTAI}/tracker.py",
        ),
        Variant(
            name="plateau.min_lr_ignored",
            rules=_PLATEAU,
            was=_CUT,
            line="cut = lr * self.factor",
            kind="bug",
            seen="a mutant",
        ),
        Variant(
            name="plateau.eps_ignored",
            rules=_PLATEAU,
            was="lr = cut if lr - cut > self.eps else lr",
            line="lr = cut",
            kind="bug",
            seen="a mutant",
        ),
        Variant(
            name="plateau.threshold_ignored",
            rules=_BETTER,
            was=_BAR,
            line="bar = best",
            also=(
                (
                    'bar = best - self.threshold if self.mode == "min" else best + self.threshold',
                    "bar = best",
                ),
            ),
            kind="bug",
            seen="a mutant",
        ),
        Variant(
            name="plateau.threshold_absolute",
            rules=_BETTER,
            was=_BAR,
            line="bar = best + step",
            kind="dialect",
            seen="Keras, fastai: the least improvement is an amount",
            link=_KERAS,
        ),
        Variant(
            name="plateau.threshold_of_size",
            rules=_BETTER,
            was=_BAR,
            line="bar = best + step * abs(best) if abs(best) < math.inf else best",
            kind="dialect",
            seen="a proposal for optax: a metric below 0 improves by a share of its size",
            link="https://github.com/google-deepmind/optax/pull/1767",
        ),
        Variant(
            name="cosine.from_zero",
            rules=_COSINE,
            was=_ANGLE,
            line="angle = scalar(EXACT, math.pi) * (t - 1 - flat) / (self.steps - flat)",
            also=(("if t >= self.steps:", "if False:"),),
            kind="dialect",
            seen="fastai: steps are counted from 0, and the rate never is",
            link=f"{_FASTAI}/schedule.py",
        ),
        Variant(
            name="cosine.truncated",
            rules=_COSINE,
            was="flat = round(self.flat * self.steps)",
            line="flat = int(self.flat * self.steps)",
            kind="dialect",
            seen="over9000 at first, fastai 1: the flat part is rounded down",
            link=f"{_GRANKIN}/094f4d3/train.py",
        ),
        Variant(
            name="cosine.squared",
            rules=_COSINE,
            was=_ANGLE,
            line=f"{_ANGLE}\n{_HALVED}",
            kind="bug",
            seen="over9000 today: two schedulers, each of which applies the factor",
            link=f"{_GRANKIN}/ac21bf9/train.py",
        ),
        Variant(
            name="cosine.linear",
            rules=_COSINE,
            was=_ANGLE,
            line="angle = scalar(EXACT, math.acos(1 - 2 * (t - flat) / (self.steps - flat)))",
            kind="dialect",
            seen="Ranger21: a straight line down",
            link=_RANGER21,
        ),
        Variant(
            name="cosine.rises_again",
            rules=_COSINE,
            was="if t >= self.steps:",
            line="if t == self.steps:",
            kind="dialect",
            seen="torch's CosineAnnealingLR: beyond its last step it climbs",
            link=_TORCH,
        ),
        Variant(
            name="warmup.from_zero",
            rules=_WARMUP,
            was="(lr,) = state",
            line="(lr,) = state\nt = t - 1",
            kind="bug",
            seen="a mutant: steps are counted from 0, so the first one stands still",
        ),
    )
}


def fits(schedule: Schedule, variant: Variant) -> bool:
    """Return whether a variant changes a line of a schedule."""
    return any(rule.partition(".")[0] == type(schedule).__name__ for rule in variant.rules)


def rescheduled(schedule: Schedule, variant: Variant) -> Schedule:
    """Return the schedule with the variant's line in place of the published one.

    Raises
    ------
    VariantError
        If it is a variant of another schedule.

    Examples
    --------
    >>> from paratrooper_ref.schedules import ReduceOnPlateau
    >>> eager = rescheduled(ReduceOnPlateau(patience=1), SCHEDULE_VARIANTS["plateau.at_patience"])
    >>> state = eager.init(0.1)
    >>> for t in (1, 2, 3):
    ...     state, rate = eager(state, t, 1.0)
    >>> round(rate, 3)
    0.01
    """
    if not fits(schedule, variant):
        msg = (
            f"the variant {variant.name} needs {' or '.join(variant.rules)}, "
            f"got {type(schedule).__name__}"
        )
        raise VariantError(msg)
    family = type(schedule)
    methods = {}
    for rule in variant.rules:
        name = rule.partition(".")[2]
        methods[name] = rewritten(vars(family)[name], variant)
    altered: type[Schedule] = type(f"{family.__name__} with {variant.name}", (family,), methods)
    return altered(**asdict(schedule))
