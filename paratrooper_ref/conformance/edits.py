"""Single edits of a rule: every small mistake that its lines allow, for want of a known name.

Where no catalogued variant explains what a backend does, the line that is wrong can still be
named: an edit of it, a term left out, a constant exchanged, a step count one off, that explains
everything seen.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from paratrooper_ref.lines import SYMBOLS, TAGS
from paratrooper_ref.optimizers.lift import Rule, parameters
from paratrooper_ref.optimizers.optimizer import Optimizer
from paratrooper_ref.variants.variant import Variant, source_of

EDIT: Final = "an edit"  # where it is seen: nowhere
_OPPOSITE: Final = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
_ALIKE: Final = (
    ("g", "regularized"), ("m", "m_hat", "g", "regularized", "u", "direction"),
    ("v", "v_hat"), ("beta1", "beta2", "momentum"), ("beta1_t", "beta2_t"),
    ("weight_decay", "l2"), ("lower", "upper", "cap"), ("weight_norm", "direction_norm"),
    ("theta", "fast", "slow"), ("rectification", "bias_correction"), ("ratio", "trust_ratio"),
)


def edits(optimizer: Optimizer) -> tuple[Variant, ...]:
    """Return the single edits of the rules that an optimizer runs, as variants of kind "bug".

    Examples
    --------
    >>> from paratrooper_ref import SGD
    >>> [e.line for e in edits(SGD()) if e.was == "update = lr * direction"][:2]
    ['update = direction', 'update = lr']
    """
    return tuple(edit for rule in optimizer.stages() for edit in _edits(rule))


@lru_cache
def _edits(rule: Rule) -> tuple[Variant, ...]:
    function = source_of(rule)
    known = set(parameters(rule)) & {*SYMBOLS, *TAGS}
    found: dict[tuple[str, str], Variant] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            was = ast.unparse(node)
            lines = [f"{ast.unparse(node.targets[0])} = {e}" for e in _other(node.value, known)]
        elif isinstance(node, ast.If):
            was = f"if {ast.unparse(node.test)}:"
            lines = [f"if {e}:" for e in (*_other(node.test, known), "True", "False")]
        else:
            continue
        for line in lines:
            if line != was:
                found.setdefault((was, line), Variant(
                    name=f"{rule.__name__}: {line}", rules=(rule.__name__,), was=was, line=line,
                    kind="bug", seen=EDIT,
                ))
    return tuple(found.values())


def _other(expression: ast.expr, known: set[str]) -> Iterator[str]:
    """Yield an expression with one place of it changed."""
    places = [node for node in ast.walk(expression) if isinstance(node, ast.expr)]
    for i, place in enumerate(places):
        for new in _instead(place, known):
            changed = copy.deepcopy(expression)
            target = [node for node in ast.walk(changed) if isinstance(node, ast.expr)][i]
            yield ast.unparse(_replaced(changed, target, new))


def _replaced(tree: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return new if node is old else self.generic_visit(node)

    result = Replace().visit(tree)
    assert isinstance(result, ast.expr)
    return ast.fix_missing_locations(result)


def _instead(node: ast.expr, known: set[str]) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        # In the order of likelihood: an operand is forgotten, or the operation is another.
        yield node.right
        yield node.left
        if isinstance(node.op, ast.Pow):
            for op in (ast.Sub(), ast.Add()):
                yield ast.BinOp(node.left, ast.Pow(), ast.BinOp(node.right, op, ast.Constant(1)))
        elif type(node.op) in _OPPOSITE:
            yield ast.BinOp(node.left, _OPPOSITE[type(node.op)](), node.right)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from node.args
        if node.func.id == "sqrt":  # a root too many, or a square
            yield ast.Call(node.func, [node], [])
            yield ast.BinOp(node.args[0], ast.Mult(), node.args[0])
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Compare):
        for other in (ast.Gt(), ast.GtE(), ast.Lt(), ast.NotEq(), ast.Eq()):
            yield ast.Compare(node.left, [other], node.comparators)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (-1, 1):
            yield ast.Constant(node.value + step)
    elif isinstance(node, ast.Name):
        for family in _ALIKE:
            if node.id in family:
                for name in family:
                    if name != node.id and (name in known or name in TAGS):
                        yield ast.Name(name, ast.Load())
        if node.id == "t":
            yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
            yield ast.BinOp(node, ast.Add(), ast.Constant(1))
        if node.id in known and node.id not in ("t", "theta", "g", "m", "v", "u", "slow"):
            yield ast.BinOp(node, ast.Mult(), node)
            yield ast.Call(ast.Name("sqrt", ast.Load()), [node], [])
