"""One step with its numbers: symbol = formula = formula with numbers = value."""

from __future__ import annotations

import ast
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from paratrooper_ref.arithmetic import Scalar
from paratrooper_ref.lines import TAGS
from paratrooper_ref.listing import NUMBERS, body, symbol, written
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import Rule, inputs, parameters
from paratrooper_ref.optimizers.state import State
from paratrooper_ref.optimizers.warmup import first_batch


class Explained(NamedTuple):
    """One line of a step: its tag, and the line as symbols, as numbers and as a value."""

    tag: str
    symbol: str
    formula: str
    numbers: str
    value: Any


def explain(
    optimizer: Optimizer,
    state: State,
    grads: Mapping[str, Any],
    lr: float | None = None,
    *,
    layer: str | None = None,
) -> list[Explained]:
    """Return the lines of the next step of one layer, in the order in which they run.

    The rule's own source is walked statement by statement, so what is shown is what is run.
    What is given (the rate, the gradient) comes first and has no formula.

    Parameters
    ----------
    optimizer, state, grads, lr
        As in `Optimizer.step`.  The state is a single trajectory's, not a batch's.
    layer : str, optional
        Which layer; the first one with a gradient by default.

    Raises
    ------
    ValueError
        If the state is a batch's, or the layer is unknown or has no gradient.

    Examples
    --------
    >>> import numpy as np
    >>> import paratrooper_ref as pr
    >>> opt = pr.SGD(lr=0.5)
    >>> state = opt.init({"x": np.array([3.0])})
    >>> for line in explain(opt, state, {"x": np.array([2.0])})[2:]:
    ...     print(line.symbol, "=", line.formula, "=", line.numbers)
    g̃ = g + λ θ = 2 + 0 · 3
    u = g̃ = 2
    D = u = 2
    Δ = α D = 0.5 · 2
    θ = θ − Δ = 3 − 1
    """
    if state.batch_axes:
        msg = f"explain needs a single trajectory, got a batch of shape {state.batch}"
        raise ValueError(msg)
    after, lines = optimizer.step(state, grads, lr)  # refuses what step refuses
    moving = [name for name, g in grads.items() if g is not None]
    layer = moving[0] if layer is None and moving else layer
    if layer not in moving:
        msg = f"explain needs a layer with a gradient, got layer={layer!r}; these have: {moving}"
        raise ValueError(msg)
    given = inputs(optimizer, state, layer, np.asarray(grads[layer]), lr)
    given["warmup"] = after.warmup
    found = [Explained(tag, symbol(tag), "", "", given[tag]) for tag in ("lr", "g")]
    if "h" in lines.model:
        found.append(_size(state, grads, given, lines.model["h"]))
    with np.errstate(all="ignore"):
        for rule in optimizer.stages():
            names = {name: given[name] for name in parameters(rule) if name in given}
            names = (rule.__kwdefaults__ or {}) | names
            found += _walked(list(body(rule)), names, rule)
            given |= names
    if all(line.tag != "theta" for line in found):  # no step before rectification
        found.append(Explained("theta", symbol("theta"), "", "", given["theta"]))
    return found


def _size(state: State, grads: Mapping[str, Any], given: dict[str, Any], h: Any) -> Explained:
    """Return the line of the first-batch rule, whose sum goes over all layers."""
    flat = [np.asarray(grads[name]).reshape(-1) for name in state.params if grads[name] is not None]
    names = first_batch(flat, beta1=given["beta1"], beta2=given["beta2"])
    formula = {_target(line): line for line in _assignments(body(first_batch))}["h"].value
    numbers = written(formula, NUMBERS, lambda name: number(names[name]))
    return Explained("h", symbol("h"), written(formula), numbers, h)


def _walked(
    statements: list[ast.stmt], names: dict[str, Any], rule: Rule
) -> Generator[Explained, None, bool]:
    """Run the statements one by one; return whether the rule has returned."""
    for line in statements:
        if isinstance(line, ast.Return):
            return True
        if isinstance(line, ast.If):
            taken = bool(_value(line.test, names, rule))
            if (yield from _walked(line.body if taken else line.orelse, names, rule)):
                return True
        elif isinstance(line, ast.Assign):
            tag, formula = _target(line), _taken(line.value, names, rule)
            numbers = written(formula, NUMBERS, lambda name: number(names[name]))
            names[tag] = _value(line.value, names, rule)
            if tag in TAGS:
                yield Explained(tag, symbol(tag), written(formula), numbers, names[tag])
        else:
            msg = f"explain needs assignments and branches, got {ast.unparse(line)}"
            raise TypeError(msg)
    return False


def _taken(formula: ast.expr, names: dict[str, Any], rule: Rule) -> ast.expr:
    """Return the side of a conditional formula that holds, and 1 where a norm is 0."""
    while True:
        match formula:
            case ast.IfExp():
                formula = formula.body if _value(formula.test, names, rule) else formula.orelse
            case ast.Call(func=ast.Name(id="unless_zero"), args=[value, *norms]):
                if any(np.any(_value(norm, names, rule) == 0) for norm in norms):
                    return ast.Constant(1)
                formula = value
            case _:
                return formula


def _value(formula: ast.expr, names: dict[str, Any], rule: Rule) -> Any:
    code = compile(ast.Expression(formula), f"<a line of {rule.__name__}>", "eval")
    return eval(code, rule.__globals__, names)


def evaluate(rule: Rule, tag: str, names: Mapping[str, Any]) -> Any:
    """Return the value of one line of a rule, from the values of the names it reads.

    Where several lines of the rule have this tag the last is meant.

    Raises
    ------
    KeyError
        If the rule has no such line.
    """
    lines = {_target(line): line for line in _assignments(body(rule))}
    return _value(lines[tag].value, dict(names), rule)


def _assignments(statements: Iterable[ast.stmt]) -> Iterator[ast.Assign]:
    for line in statements:
        if isinstance(line, ast.If):
            yield from _assignments([*line.body, *line.orelse])
        elif isinstance(line, ast.Assign):
            yield line


def _target(line: ast.Assign) -> str:
    (target,) = line.targets
    assert isinstance(target, ast.Name)
    return target.id


def number(x: Any, digits: int = 6, most: int = 3) -> str:
    """Return a number, or the first few of an array, to some digits."""
    if isinstance(x, (bool, str)):
        return str(x)
    if isinstance(x, np.ndarray):
        shown = [number(a, digits) for a in x.ravel()[:most]]
        if x.size == 1:
            return shown[0]
        return f"[{', '.join(shown)}{', …' if x.size > most else ''}]"
    if isinstance(x, (float, int, np.floating, Scalar)):
        return f"{float(x):.{digits}g}"
    return str(x)
