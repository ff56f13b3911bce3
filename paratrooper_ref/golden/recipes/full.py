"""The full tier: whole trajectories on analytic problems, at rates that get somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import problems
from paratrooper_ref.golden.recipe import Full
from paratrooper_ref.golden.recipes.hunts import hunted
from paratrooper_ref.optimizers import (
    LAMB,
    LARS,
    SGD,
    Adam,
    AdamW,
    Lookahead,
    Optimizer,
    Paratrooper,
    RAdam,
    RAdamW,
    Ranger,
    RangerLars,
)
from paratrooper_ref.schedules import FlatThenCosine, LinearWarmup, ReduceOnPlateau

if TYPE_CHECKING:
    from problems import Problem

STEPS: Final = 200

FAMILY: Final[dict[str, Optimizer]] = {
    "sgd": SGD(lr=1e-3, momentum=0.9),
    "nesterov": SGD(lr=1e-3, momentum=0.9, nesterov=True),
    "adam": Adam(lr=5e-2),
    "adamw": AdamW(lr=5e-2),
    "radam": RAdam(lr=5e-2, warmup="none"),
    "radamw": RAdamW(lr=5e-2, warmup="none"),
    "lars": LARS(lr=1.0, trust_coefficient=1e-2),
    "lars_2019": LARS(lr=1e-2, form="2019"),
    "lamb": LAMB(lr=1e-2),
    "lookahead": Lookahead(inner=AdamW(lr=5e-2), k=5, alpha=0.8),
    "ranger": Ranger(lr=5e-2, warmup="none"),
    "rangerlars": RangerLars(lr=1e-2, lower=1.0, warmup="none"),
    "paratrooper": Paratrooper(lr=1e-2),
}
LAYERWISE: Final = ("lars", "lars_2019", "lamb", "ranger", "rangerlars", "paratrooper")
LATER: Final = ("adamw", "radamw", "ranger", "rangerlars", "paratrooper")


def full() -> Iterator[Full]:
    """Yield the recipes of the full tier."""
    yield from _on("rosenbrock", problems.rosenbrock(), FAMILY)
    yield from _on("bowl", problems.quadratic_bowl(n=3, kappa=20, rotation=1), FAMILY)
    yield from _on("layered_quadratic", problems.layered_quadratic(), _some(*LAYERWISE))
    net = problems.linear_net(depth=3, width=2, samples=8)
    yield from _on("linear_net", net, _some(*LAYERWISE))
    # Layers that start near zero make trust ratios magnify a change of the start without end:
    # LARS and LAMB, and RangerLars from 0, are refused here.
    net = problems.linear_net(depth=3, width=2, samples=8, skip="layer")
    yield from _on("linear_net_skip", net, _some("adamw", "ranger", "rangerlars", "paratrooper"))
    yield from _on("diabetes", problems.minibatch(problems.diabetes(), size=32), _some(*LATER))
    for name in ("ackley", "rastrigin"):
        yield from _on(name, problems.CATALOGUE[name](), _some("adam", "paratrooper"))
    net = problems.tanh_net(depth=1, width=2, samples=8)
    yield from _on("tanh_net", net, _some("adam", "paratrooper"))
    yield from _scheduled()
    yield _case(
        "rosenbrock/paratrooper-long", "A thousand steps, over the fall of the ceiling.",
        FAMILY["paratrooper"], problems.rosenbrock(), steps=1000,
    )


def _some(*names: str) -> dict[str, Optimizer]:
    return {name: FAMILY[name] for name in names}


def _on(group: str, problem: Problem, optimizers: Mapping[str, Optimizer]) -> Iterator[Full]:
    for name, optimizer in optimizers.items():
        about = f"{STEPS} steps of {type(optimizer).__name__} on {problem.name}."
        yield _case(f"{group}/{name}", about, optimizer, problem)


def _case(
    case: str, about: str, optimizer: Optimizer, problem: Problem, steps: int = STEPS
) -> Full:
    return Full(
        case=case,
        about=about,
        optimizer=optimizer,
        problem=problem,
        steps=steps,
        catches=hunted(optimizer, "full"),
    )


def _scheduled() -> Iterator[Full]:
    problem = problems.minibatch(problems.diabetes(), size=32)
    for name, schedule in (
        ("plateau", ReduceOnPlateau(epoch=14, patience=0, factor=0.5, threshold=0.02)),
        ("cosine", FlatThenCosine(steps=STEPS)),
        ("warmup", LinearWarmup(steps=50)),
    ):
        case = f"diabetes/paratrooper-{name}"
        about = f"{STEPS} mini-batch steps with rates by {type(schedule).__name__}."
        yield replace(_case(case, about, FAMILY["paratrooper"], problem), schedule=schedule)
