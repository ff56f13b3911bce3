"""An algorithm's lines as people write them, read from the source of its rule.

The formula of a line is the code itself; the text and the TeX here are made from it, and so
are `explain` and the listings in the docstrings (a test holds them to it).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from paratrooper_ref.lines import MODEL_TAGS, SYMBOLS, TAGS

Rule = Callable[..., dict[str, Any]]


@lru_cache
def body(rule: Rule) -> tuple[ast.stmt, ...]:
    """Return the statements of a rule, without its docstring and the return of its lines.

    Raises
    ------
    OSError
        If the source is not there (an installation of bytecode alone).
    """
    module = inspect.getmodule(rule)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    (found,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == rule.__name__)
    lines = found.body[1:] if ast.get_docstring(found) else found.body
    return tuple(n for n in lines if not isinstance(n, ast.Return))


def text(rule: Rule) -> str:
    """Return the rule's lines in symbols, one a row, branches indented."""
    return "\n".join(_rows(list(body(rule)), ""))


def _rows(statements: list[ast.stmt], margin: str) -> Iterator[str]:
    for line in statements:
        if isinstance(line, ast.Assign):
            left, right = (written(x) for x in (line.targets[0], line.value))
            if left != right:  # β1^t = β1^t says nothing
                yield f"{margin}{left} = {right}"
        elif isinstance(line, ast.If):
            yield f"{margin}if {written(line.test)}:"
            yield from _rows(line.body, margin + "    ")
            rest = line.orelse
            while len(rest) == 1 and isinstance(rest[0], ast.If):
                yield f"{margin}otherwise, if {written(rest[0].test)}:"
                yield from _rows(rest[0].body, margin + "    ")
                rest = rest[0].orelse
            if [n for n in rest if not isinstance(n, ast.Return)]:
                yield f"{margin}otherwise:"
                yield from _rows(rest, margin + "    ")
        elif not isinstance(line, ast.Return):
            raise _unknown(line)


class Style(NamedTuple):
    """How the parts of a formula are spelled."""

    times: str
    minus: str
    over: Callable[[str, str], str]
    power: Callable[[str, str], str]
    square: Callable[[str], str] | None
    calls: dict[str, Callable[..., str]]
    words: dict[type, str]
    group: Callable[[str], str]
    word: Callable[[str], str]


def _zero(value: str, *norms: str) -> str:
    return f"1 if {' '.join(norms)} = 0 else {value}"


def _plain_root(x: str) -> str:
    return f"√({x})" if " " in x else f"√{x}"


PLAIN: Final = Style(
    times=" ",
    minus=" − ",
    over=lambda a, b: f"{a} / {b}",
    power=lambda a, b: f"{a}^{b}",
    square=lambda a: f"{a}²",
    calls={
        "sqrt": _plain_root,
        "norm": lambda x: f"‖{x}‖",
        "clamp": lambda lo, x, hi: f"max({lo}, min({hi}, {x}))",
        "at_least": lambda lo, x: f"max({lo}, {x})",
        "at_most": lambda hi, x: f"min({hi}, {x})",
        "unless_zero": _zero,
    },
    words={ast.Gt: ">", ast.Eq: "=", ast.Mod: " mod "},
    group=lambda x: f"({x})",
    word=lambda x: x,
)

NUMBERS: Final = PLAIN._replace(times=" · ", square=None)


def _cases(value: str, *norms: str) -> str:
    zero = r"\,".join(norms)
    return rf"\begin{{cases}} 1 & {zero} = 0 \\ {value} & \text{{otherwise}} \end{{cases}}"


TEX: Final = Style(
    times=r"\,",
    minus=" - ",
    over=lambda a, b: rf"\frac{{{a}}}{{{b}}}",
    power=lambda a, b: f"{a}^{{{b}}}",
    square=lambda a: f"{a}^2",
    calls={
        "sqrt": lambda x: rf"\sqrt{{{x}}}",
        "norm": lambda x: rf"\lVert {x} \rVert",
        "clamp": lambda lo, x, hi: rf"\max({lo}, \min({hi}, {x}))",
        "at_least": lambda lo, x: rf"\max({lo}, {x})",
        "at_most": lambda hi, x: rf"\min({hi}, {x})",
        "unless_zero": _cases,
    },
    words={ast.Gt: ">", ast.Eq: "=", ast.Mod: r" \bmod "},
    group=lambda x: rf"\left({x}\right)",
    word=lambda x: rf"\text{{{x}}}",
)


def _is_word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _same(a: ast.expr, b: ast.expr) -> bool:
    return ast.dump(a) == ast.dump(b)


# How tightly an operation binds: sum, product, quotient, power.
_BINDS: Final = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Mod: 2, ast.Div: 2, ast.Pow: 4}


def symbol(name: str, style: Style = PLAIN) -> str:
    """Return the symbol of a line or hyperparameter; its own name where it has none."""
    tex = style is TEX
    if name in TAGS or name in MODEL_TAGS:
        tag = (TAGS | MODEL_TAGS)[name]
        return tag.tex if tex else tag.symbol
    if name in SYMBOLS:
        return SYMBOLS[name][tex]
    return style.word(name.replace("_", r"\_") if tex else name)


def written(
    node: ast.expr,
    style: Style = PLAIN,
    naming: Callable[[str], str] | None = None,
    outer: int = 0,
) -> str:
    """Return an expression in a style; ``naming`` spells the names, by default as symbols.

    Raises
    ------
    TypeError
        If the expression holds what no line of a rule may hold.
    """
    naming = naming or (lambda name: symbol(name, style))

    def part(x: ast.expr, outer: int = 0) -> str:
        return written(x, style, naming, outer)

    match node:
        case ast.Name():
            return naming(node.id)
        case ast.Constant(value=str()):
            return style.word(f'"{node.value!s}"')
        case ast.Constant(value=int() | float()):
            return repr(node.value)
        case ast.Call(func=ast.Name(id=function)) if function in style.calls:
            return style.calls[function](*(part(x) for x in node.args))
        case ast.Compare(ops=[comparison], comparators=[other]) if (
            type(comparison) in style.words
        ):
            sign = f" {style.words[type(comparison)]} "
            word = style.word(" is ") if _is_word(other) else sign
            return part(node.left) + word + part(other)
        case ast.UnaryOp(op=ast.Not()):
            return f"{style.word('not ')}{part(node.operand)}"
        case ast.IfExp():
            chosen = f"{part(node.body)}{style.word(' if ')}{part(node.test)}"
            return f"{chosen}{style.word(' else ')}{part(node.orelse)}"
        case ast.BinOp(op=op) if type(op) in _BINDS:
            level = _BINDS[type(op)]
            if isinstance(op, ast.Mult) and style.square and _same(node.left, node.right):
                return style.square(part(node.left, 5))
            if isinstance(op, ast.Div) and style is TEX:
                return style.over(part(node.left), part(node.right))
            left, right = part(node.left, level), part(node.right, level + 1)
            match op:
                case ast.Add():
                    whole = f"{left} + {right}"
                case ast.Sub():
                    whole = left + style.minus + right
                case ast.Mult():
                    whole = left + style.times + right
                case ast.Div():
                    whole = style.over(left, right)
                case ast.Pow():
                    exponent = part(node.right, 0 if style is TEX else 5)
                    whole = style.power(part(node.left, 5), exponent)
                case _:
                    whole = left + style.words[type(op)] + right
            return style.group(whole) if level < outer else whole
    raise _unknown(node)


def _unknown(node: ast.AST) -> TypeError:
    found = ast.unparse(node)
    msg = f"a line of a rule needs names, numbers, + - * / ** and known calls, got {found}"
    return TypeError(msg)
