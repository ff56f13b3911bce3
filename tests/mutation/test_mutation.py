"""The tool itself: what it changes and leaves alone, that mutants die, and what is explained."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from tests.mutation import __main__ as tool
from tests.mutation.mutate import Mutant, mutants
from tests.mutation.page import SURVIVED, TIMEOUT, page
from tests.mutation.survivors import Survivor, explanation, read
from tests.mutation.targets import PACKAGE, TARGETS

CHANGES = {
    "x = a + b": {"a - b", "a", "b"},
    "x = a * b": {"a / b", "a", "b"},
    "x = a < b": {"a <= b", "a >= b"},
    "x = a == b": {"a != b"},
    "x = lo < a < hi": {"lo <= a < hi", "lo >= a < hi", "lo < a <= hi"},
    "x = a and b": {"a or b", "a", "b"},
    "x = not a": {"a"},
    "x = -a": {"a"},
    "x = a if b else c": {"a", "c"},
    "x = 3": {"4", "2"},
    "x = 0.25": {"0.5"},
    "x = 0.0": {"1.0"},
    "x = True": {"False"},
    "x = max(a, b)": {"min(a, b)"},
    "x = np.any(a)": {"np.all(a)"},
    "x = abs(a)": {"a"},
    "if a: f()": {"not a", "pass"},
    "def f():\n    return a": {"return None"},
    "def f(a):\n    a = g(a)": {"pass"},
    "for a in b:\n    continue": {"break"},
    "x.y = a": {"pass"},
}
ALONE = '''
"""A docstring, 1 + 1."""
from a import b
Alias = A | B
if TYPE_CHECKING:
    from c import d
__all__ = [1]

@decorated(1 + 1)
def f(x: A | B, *, strict: bool) -> C | D:
    """A docstring."""
    assert x == 1
    y: dict[A | B, 1] = g(strict=True)
    msg = f"needs 1, got {x + 1}"
    raise ValueError(1 + 1)
'''


@pytest.mark.parametrize(("line", "others"), CHANGES.items())
def test_a_line_is_changed_in_every_small_way(line: str, others: set[str]) -> None:
    assert {mutant.now for mutant in mutants(line)} == others


def test_what_no_arithmetic_depends_on_is_left_alone() -> None:
    assert [str(mutant) for mutant in mutants(textwrap.dedent(ALONE))] == []


def test_a_mutant_is_the_file_with_one_thing_changed() -> None:
    """Comments, lines and symbols of more than one byte stay where they are."""
    text = 'x = "β"  # 1\n\n\ndef f(ρ):\n    return (ρ -  # two\n            2) * ρ\n'
    found = mutants(text)
    assert [mutant.now for mutant in found] == [
        "return None", "(ρ - 2) / ρ", "ρ - 2", "ρ", "ρ + 2", "ρ", "2", "3", "1",
    ]
    (three,) = (mutant for mutant in found if mutant.now == "3")
    assert three.text == text.replace("2)", "(3))")
    assert three.part == text[text.index("def") :].replace("2)", "(3))")
    assert (three.where, three.line, three.was, three.number) == ("f", "2) * ρ", "2", 6)
    assert all(ast.unparse(ast.parse(m.text)) != ast.unparse(ast.parse(text)) for m in found)


@pytest.mark.parametrize("file", TARGETS)
def test_mutants_can_be_compiled_and_told_apart(file: str) -> None:
    found = mutants(tool.original(file))
    assert len(found) >= 10
    for mutant in found[::10]:
        compile(mutant.text, file, "exec")
    assert len({(m.where, m.part) for m in found}) == len(found)


def test_every_explained_survivor_is_a_mutant_still() -> None:
    """Its line stands in the file as it is, and can still be changed so."""
    by_file: dict[str, list[Mutant]] = {}
    for survivor in read():
        text = tool.original(survivor.file)
        found = by_file.setdefault(survivor.file, mutants(text))
        for now in survivor.now:
            one = Survivor(survivor.file, survivor.line, survivor.was, (now,), survivor.why)
            assert any(one.matches(survivor.file, mutant) for mutant in found), one
        assert len(survivor.why) > 10


def test_mutants_are_run_in_a_copy_until_a_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One is killed, one loops for ever, one survives; what is known is not run again."""
    file = "optimizers/lookahead.py"
    monkeypatch.setitem(TARGETS, file, ("golden:ranger",))
    monkeypatch.setattr(tool, "SPARE", 3)
    text = tool.original(file)
    all_of_them = mutants(text)
    (killed,) = (m for m in all_of_them if m.now == "t % k != 0")
    (alive,) = (m for m in all_of_them if "isinstance(inner, Optimizer) or" in m.line and (
        m.now == "not isinstance(inner, Optimizer)"))
    loop = text.replace("    fast = theta\n", "    while True: pass\n")
    endless = Mutant(loop, loop, "lookahead", "fast = theta", "fast = theta", "while", 1)
    slots = tool.copies(tmp_path, 2)
    results = tool.Results(tmp_path / "results.json")

    found = dict(tool._run(file, [killed, alive, endless], slots, 0.0))
    assert {m.now: said for m, said in found.items()} == {
        killed.now: "golden:ranger", alive.now: SURVIVED, "while": TIMEOUT,
    }
    for slot in slots:
        assert (slot.folder / PACKAGE / file).read_text("utf-8") == text
    monkeypatch.setattr(tool, "baseline", lambda slot, file: 1.0)
    tool.run(file, [killed, alive], slots, results)
    assert "2 of 2 to run" in capsys.readouterr().out
    again = tool.Results(tmp_path / "results.json")
    assert sorted(again.values()) == ["golden:ranger", SURVIVED]
    tool.run(file, [killed, alive], slots, again)
    assert capsys.readouterr().out == ""


def test_a_larger_sample_has_a_smaller_one() -> None:
    file = "optimizers/sgd.py"
    assert tool.sampled(file, 5, 1) == tool.sampled(file, 9, 1)[:5]
    assert tool.sampled(file, 5, 1) != tool.sampled(file, 5, 2)
    assert len(tool.sampled(file, None, 1)) > 40


def test_the_page_counts_what_was_run() -> None:
    found = mutants("x = a + 1")
    why = Survivor("f.py", "x = a + 1", "a + 1", ("a",), "it is the same")
    said = ["golden:sgd", SURVIVED, SURVIVED, TIMEOUT, None]
    text = page({"f.py": found}, {"f.py": said}, [why], {"f.py": 9}, "python -m x")
    assert "| `f.py` | 9 | 4 | 1 | 1 | 1 | 1 |" in text
    assert "Of 9 mutants 4 were run (44%)" in text
    assert "2 were killed (1 of them by a time limit)" in text
    assert "- `f.py` 1: `a + 1` -> `1`" in text
    assert "- `f.py`, `a + 1` -> `a` in `x = a + 1`: it is the same." in text
    assert explanation([why], "g.py", found[1]) is None
