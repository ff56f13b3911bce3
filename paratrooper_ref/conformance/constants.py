"""The constants of the algorithms: which numbers may be wrong, and a step with one of them wrong.

They are the numbers among the hyperparameters of each optimizer, and those that are written in
its rules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import Field, fields, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.conformance.measured import Given
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.optimizers import LARS, OPTIMIZERS, SGD, Lookahead, Optimizer
from paratrooper_ref.optimizers.lift import Rule, evaluated
from paratrooper_ref.optimizers.warmup import first_batch
from paratrooper_ref.variants.variant import compiled, source_of, with_argument, with_rules

GIVEN: Final = "literal"  # what a rule asks for in place of a number that is written in it


class Suspect(NamedTuple):
    """A number that may be wrong: a hyperparameter of an algorithm, or one written in a rule."""

    where: str
    what: str
    place: int = -1  # among the numbers of the rule, in order; -1 for a hyperparameter
    shown: str = ""

    @property
    def name(self) -> str:
        """The constant's name in the table."""
        return f"{self.where}.{self.what}"


# --------------------------------------------------------------------------- what there is


def constants() -> dict[str, Suspect]:
    """Return all constants whose small changes can show, by name."""
    return {c.name: c for c in (*_hyper(), *_literals()) if c.name not in still()}


@lru_cache
def still() -> dict[str, str]:
    """Return by name the constants whose small changes show nowhere, and why that is so."""
    found = {}
    for family in _family():
        for declared in _own(family):
            name = f"{family.algorithm}.{declared.name}"
            if "least" in declared.metadata:
                found[name] = "an integer"
            elif "range" not in declared.metadata:
                found[name] = "a word"
            elif declared.name == "threshold":
                found[name] = "a switch: between two values of rho nothing changes"
    for rule in rules():
        for constant, why in _numbers(rule):
            if rule is first_batch:
                why = why or "of h, which moves nothing but the switch at 1/2"
            if why:
                found[constant.name] = why
    return found


def _family() -> list[Optimizer]:
    return [f(inner=SGD()) if f is Lookahead else f() for f in OPTIMIZERS.values()]


def rules() -> list[Rule]:
    """Return the rules of all optimizers, each once."""
    made = [rule for opt in (*_family(), LARS(form="2019")) for rule in opt.stages()]
    return [*dict.fromkeys(made), first_batch]


def _own(optimizer: Optimizer) -> list[Field[Any]]:
    return [f for f in fields(optimizer) if f.metadata]


def _hyper() -> Iterator[Suspect]:
    for family in _family():
        for declared in _own(family):
            yield Suspect(family.algorithm, declared.name)


def _literals() -> Iterator[Suspect]:
    for rule in rules():
        for constant, _ in _numbers(rule):
            yield constant


def _numbers(rule: Rule) -> Iterator[tuple[Suspect, str]]:
    """Yield the numbers in a rule's lines, and why small changes of one show nowhere, or ""."""
    counts: dict[str, int] = {}
    for place, (node, line, why) in enumerate(_places(source_of(rule))):
        tag = ast.unparse(line.targets[0]) if isinstance(line, ast.Assign) else "if"
        counts[tag] = counts.get(tag, 0) + 1
        shown = _marked(line, node)
        yield Suspect(f"rule {rule.__name__}", f"{tag}.{counts[tag]}", place, shown), why


def _places(function: ast.FunctionDef) -> Iterator[tuple[ast.Constant, ast.stmt, str]]:
    lines = [n for n in ast.walk(function) if isinstance(n, (ast.Assign, ast.If))]
    for line in sorted(lines, key=lambda n: n.lineno):
        root: ast.AST = line.value if isinstance(line, ast.Assign) else line.test
        idle = _idle(root)
        numbers = [
            node for node in ast.walk(root)
            if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        ]
        for node in sorted(numbers, key=lambda n: (n.lineno, n.col_offset)):
            decides = isinstance(line, ast.If)
            yield node, line, idle.get(id(node), "a switch" if decides else "")


def _idle(root: ast.AST) -> dict[int, str]:
    """Return the parts of an expression that count nothing, and why."""
    found: dict[int, str] = {}
    for node in ast.walk(root):
        part: ast.AST | None = None
        if isinstance(node, ast.IfExp):
            part, why = node.test, "a switch"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "certainly":
            part, why = node, "a switch"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            part, why = node.right, "an exponent"
        elif isinstance(node, ast.Subscript):
            part, why = node.slice, "an index"
        found |= {} if part is None else {id(inner): why for inner in ast.walk(part)}
    return found


def _marked(line: ast.stmt, node: ast.Constant) -> str:
    """Return a line with one of its numbers marked."""
    mark, value = "\0", node.value
    node.value = mark
    said = ast.unparse(line).partition(":\n")[0]
    node.value = value
    return said.replace(repr(mark), f"[{value!r}]")


# --------------------------------------------------------------------------- what is wrong


class Wrong:
    """An optimizer in which one constant is wrong."""

    def __init__(self, golden: Golden, constant: Suspect) -> None:
        self.golden, self.constant, self.optimizer = golden, constant, golden.optimizer
        self.value = 0.0
        if constant.place >= 0:
            self.optimizer, self.value = _asking(golden.optimizer, constant)

    def step(self, step: Given, change: float) -> Any:
        """Return the lines of a step in which the constant is off by a relative change."""
        state, grads, lr = step
        optimizer, told = self.optimizer, None
        if self.constant.place >= 0:
            value = self.value * (1 + change)
            told = lambda layer: {GIVEN: value}  # noqa: E731 - what every layer is told
        elif self.constant.what == "lr":
            lr *= 1 + change
        else:
            optimizer = scaled(optimizer, self.constant.what, change)
        got, _ = evaluated(optimizer, state, grads, lr, lambda layer, slot, x: x, told=told)
        return got


def touches(golden: Golden, constant: Suspect) -> bool:
    """Return whether a case's optimizer has a constant, and it is not 0 there."""
    optimizer = golden.optimizer
    if constant.place >= 0:
        name = constant.where.removeprefix("rule ")
        return any(rule.__name__ == name for rule in optimizer.stages())
    if optimizer.algorithm != constant.where:
        return False
    if constant.what == "lr":
        return any(step.lr > 0 for step in golden.steps)
    return scaled(optimizer, constant.what, 0.5) != optimizer


def scaled(optimizer: Optimizer, name: str, change: float) -> Optimizer:
    """Return the optimizer with a hyperparameter off by a relative change, in every layer.

    Where a value would leave its range it is off to the other side.
    """
    (declared,) = (f for f in fields(optimizer) if f.name == name)
    most = declared.metadata["range"]

    def off(x: Any) -> Any:
        if type(x) is not float or not np.isfinite(x):
            return x
        return x * (1 + change) if most.admits(x * (1 + change)) else x * (1 - change)

    value = getattr(optimizer, name)
    if name == "l2" and value is None:
        value = optimizer.hyper()["weight_decay"]
    layers = tuple(
        (layer, tuple((k, off(x) if k == name else x) for k, x in own))
        for layer, own in optimizer.layers
    )
    changes: dict[str, Any] = {name: off(value)}
    return replace(optimizer, layers=layers, **changes)


@lru_cache(maxsize=4096)
def _asking(optimizer: Optimizer, constant: Suspect) -> tuple[Optimizer, float]:
    """Return an optimizer whose rule asks for the constant, and its value."""
    name = constant.where.removeprefix("rule ")
    stages, value = [], 0.0
    for rule in optimizer.stages():
        if rule.__name__ == name:
            rule, value = _asked(rule, constant.place)
        stages.append(rule)
    return with_rules(optimizer, stages), value


@lru_cache(maxsize=512)
def _asked(rule: Rule, place: int) -> tuple[Rule, float]:
    function = source_of(rule)
    node, _, _ = list(_places(function))[place]
    found = _Exchange(node)
    function = found.visit(function)
    with_argument(function, GIVEN)
    value = node.value
    assert isinstance(value, (int, float))
    return compiled(function, rule, f"<{rule.__name__}, asking>"), float(value)


class _Exchange(ast.NodeTransformer):
    """Put a name in place of a number."""

    def __init__(self, node: ast.Constant) -> None:
        self.node = node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Return the name for the one, and any other as it is."""
        return ast.copy_location(ast.Name(GIVEN, ast.Load()), node) if node is self.node else node
