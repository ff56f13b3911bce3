"""Small wrong changes of a source file, each of which some test ought to notice.

A mutant is one expression or statement put in place of another, in the text itself: rules are
read by their source as well as run, and their local names are their lines, which the
trampolines of ready-made tools take away.  Left alone is what no arithmetic or comparison
depends on: messages and what raises them, annotations, decorators, `assert`, aliases of types.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}
COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}
SWAPPED: Final = {
    a: b
    for pair in [("min", "max"), ("minimum", "maximum"), ("any", "all"), ("argmin", "argmax"),
                 ("at_least", "at_most"), ("logical_and", "logical_or"), ("zeros", "ones"),
                 ("zeros_like", "ones_like")]
    for a, b in (pair, pair[::-1])
}
MESSAGES: Final = ("msg", "detail")  # names of what is only said
SCOPES: Final = (ast.FunctionDef, ast.ClassDef)
PLAIN: Final = (ast.Name, ast.Attribute, ast.Call, ast.NamedExpr)  # tests with no operator
KEYWORDS: Final = ("strict", "repr")  # arguments that guard or show


@dataclass(frozen=True)
class Mutant:
    """A source file with one thing changed.

    Parameters
    ----------
    text : str
        The whole file.
    part : str
        The function that is changed, or the lines.
    where : str
        The function or class that it is in, or "".
    line : str
        The line on which what is changed begins, stripped.
    was, now : str
        The expression or statement, and what stands in its place.
    number : int
        Of the line, from 1.
    """

    text: str
    part: str
    where: str
    line: str
    was: str
    now: str
    number: int

    def __str__(self) -> str:
        return f"{self.number} {self.where}: {self.was}  ->  {self.now}"


def mutants(text: str) -> list[Mutant]:
    """Return all mutants of a source file, in order; no two have the same text.

    Examples
    --------
    >>> [mutant.now for mutant in mutants("x = a + 1")]
    ['a - 1', 'a', '1', '2', '0']
    """
    lines, whole, offsets = text.splitlines(), text.encode(), [0]
    for encoded in whole.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(encoded))
    found: dict[str, Mutant] = {}
    walk = _Walk()
    for node, other in walk.module(ast.parse(text)):
        begin = offsets[node.lineno - 1] + node.col_offset
        end = offsets[node.end_lineno - 1] + node.end_col_offset
        was, now = ast.unparse(node), ast.unparse(other)
        put = f"({now})" if isinstance(node, ast.expr) else now
        changed = whole[:begin] + put.encode() + whole[end:]
        inside = walk.functions[-1] if walk.functions else node
        first, last = offsets[inside.lineno - 1], offsets[inside.end_lineno] - len(whole)
        part = changed[first : last or None].decode()
        if was != now and changed.decode() not in found:
            found[changed.decode()] = Mutant(
                changed.decode(), part, ".".join(walk.names), lines[node.lineno - 1].strip(), was,
                now, node.lineno,
            )
    return list(found.values())


class _Walk:
    """Yield, for every node, what may stand in its place."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.functions: list[Any] = []
        self.bound: list[set[str]] = [set()]

    def module(self, node: ast.AST) -> Iterator[tuple[Any, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            yield from self.of(child)

    def of(self, node: ast.AST) -> Iterator[tuple[Any, ast.AST]]:
        if _left_alone(node, inside=bool(self.names)):
            return
        function, scope = isinstance(node, ast.FunctionDef), isinstance(node, SCOPES)
        for other in _others(node, self.bound[-1]):
            yield node, other
        if isinstance(node, (ast.If, ast.While)) and isinstance(node.test, PLAIN):
            yield node.test, ast.UnaryOp(ast.Not(), node.test)
        if isinstance(node, SCOPES):
            self.names.append(node.name)
            self.functions += [node] if function else []
            self.bound.append({a.arg for a in ast.walk(node) if isinstance(a, ast.arg)})
        for child in _children(node):
            yield from self.of(child)
        if scope:
            self.names.pop()
            self.bound.pop()
            del self.functions[len(self.functions) - function :]
        elif isinstance(node, (ast.Assign, ast.For)):
            self.bound[-1] |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _children(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.FunctionDef):
        defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
        return [*defaults, *node.body]
    if isinstance(node, ast.ClassDef):
        return list(node.body)
    if isinstance(node, ast.AnnAssign):
        return [] if node.value is None else [node.value]
    return list(ast.iter_child_nodes(node))


def _left_alone(node: ast.AST, *, inside: bool) -> bool:
    match node:
        case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            alias = not inside and (name[0].isupper() and not name.isupper())
            return name in MESSAGES or name.startswith("__") or alias
        case ast.keyword(arg=name):
            return name in KEYWORDS
    return False


def _others(node: ast.AST, bound: set[str]) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            if type(op) in ARITHMETIC:
                yield _with(node, op=ARITHMETIC[type(op)]())
            yield left
            yield right
        case ast.Compare(ops=[op, *others]):
            for other in COMPARISONS[type(op)]:
                yield _with(node, ops=[other(), *others])
            if others:
                yield _with(node, ops=[op, *(COMPARISONS[type(o)][0]() for o in others)])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(value * 2 if value else 1.0)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name) as func, args=args):
            if name in SWAPPED:
                changed: Any = copy.copy(func)
                setattr(changed, "id" if isinstance(func, ast.Name) else "attr", SWAPPED[name])
                yield _with(node, func=changed)
            if name in ("abs", "float", "bool", "sorted") and len(args) == 1:
                yield args[0]
        case _:
            yield from _other_statements(node, bound)


def _other_statements(node: ast.AST, bound: set[str]) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as value):
            if not (isinstance(value, ast.Constant) and value.value is None):
                yield ast.Return(ast.Constant(None))
        case ast.Assign(targets=[ast.Name(id=name)]):
            if name in bound:  # or the first use of it fails at once
                yield ast.Pass()
        case ast.Assign() | ast.AugAssign() | ast.Expr():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


def _with(node: ast.AST, **changes: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed
