"""docs/mutation.md: how many mutants there are, how many were run, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from tests.mutation.mutate import Mutant
from tests.mutation.survivors import Survivor, explanation

SURVIVED: Final = "survived"
TIMEOUT: Final = "timed out"
HEAD: Final = """# Mutation testing

Made by `python -m tests.mutation --report`. Each mutant is a source file of the core with one thing
wrong: an operator or a comparison exchanged, a term or a statement left out, a constant moved, a
minimum for a maximum, a branch turned round, a result not returned. Left alone are messages, what
raises them, annotations, decorators and assertions. It runs in a copy of the package, in a process
of its own, against the tests of its file (`tests/mutation/targets.py`) until one fails. One that
passes all of them has survived: a test is missing, or the change makes no difference, and then
`tests/mutation/survivors.toml` says why.

"""


def page(
    asked: Mapping[str, Sequence[Mutant]],
    said: Mapping[str, Sequence[str | None]],
    survivors: Sequence[Survivor],
    totals: Mapping[str, int],
    command: str,
) -> str:
    """Return the page: ``said`` has what came of each mutant that was asked, None if not run."""
    rows, sums, by_survivor, left = [], Counter[str](), Counter[Survivor](), []
    for file, mutants in asked.items():
        row = Counter({"mutants": totals[file]})
        for mutant, result in zip(mutants, said[file], strict=True):
            if result is None:
                continue
            row["run"] += 1
            if result != SURVIVED:
                row[TIMEOUT if result == TIMEOUT else "killed"] += 1
            elif (survivor := explanation(survivors, file, mutant)) is not None:
                row["explained"] += 1
                by_survivor[survivor] += 1
            else:
                row[SURVIVED] += 1
                left.append(f"`{file}` {mutant.number}: `{mutant.was}` -> `{mutant.now}`")
        sums.update(row)
        rows.append((f"`{file}`", *_cells(row)))
    rows.append(("in all", *_cells(sums)))
    share = sums["run"] / max(1, sums["mutants"])
    return "".join([
        HEAD, _sentence(sums, share, command), _table(("file", *COLUMNS), rows),
        _left(left), _explained(survivors, by_survivor),
    ])


COLUMNS: Final = ("mutants", "run", "killed", TIMEOUT, "explained", SURVIVED)


def _cells(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{counts[name]:,}" for name in COLUMNS)


def _sentence(sums: Counter[str], share: float, command: str) -> str:
    ended = sums["killed"] + sums[TIMEOUT]
    return (
        f"Of {sums['mutants']:,} mutants {sums['run']:,} were run ({share:.0%}), in the order of a "
        f"draw: `{command}` goes on from there. {ended:,} were killed ({sums[TIMEOUT]:,} of them "
        f"by a time limit), {sums['explained']:,} survive and are explained, {sums[SURVIVED]:,} "
        "survive and are not. What was not run is not known.\n\n"
    )


def _left(left: Sequence[str]) -> str:
    if not left:
        return ""
    return "\n## Survivors that are not explained\n\n" + "".join(f"- {line}\n" for line in left)


def _explained(survivors: Sequence[Survivor], seen: Counter[Survivor]) -> str:
    lines = ["\n## Survivors that are explained\n\n"]
    for survivor in survivors:
        others = " or ".join(f"`{now}`" for now in survivor.now)
        what = f"- `{survivor.file}`, `{survivor.was}` -> {others}"
        where = "" if survivor.was == survivor.line else f" in `{survivor.line}`"
        run = "" if seen[survivor] else " (not drawn)"
        lines.append(f"{what}{where}{run}: {survivor.why}.\n")
    return "".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
