"""Measure what docs/golden-corpus.md says, and write it there: `python docs/golden_corpus.py`.

Needs the extras "prove" and "plot" and some three minutes.  With ``--check`` nothing is written:
what does not depend on the machine is compared, and the exit status is 1 where it differs.
"""

from __future__ import annotations

import platform
import re
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import numpy as np
from generated import filled, parser, published
from matplotlib.figure import Figure

import paratrooper_ref as pr
import problems
from paratrooper_ref.arithmetic.running import FLOAT32, FLOAT64
from paratrooper_ref.golden.bounds import MARGIN, margins
from paratrooper_ref.golden.corpus import Corpus, shipped
from paratrooper_ref.golden.document import MOST_GROWTH, Golden
from paratrooper_ref.golden.error import Unproved
from paratrooper_ref.golden.generate import generate
from paratrooper_ref.golden.make import loop, make, step_again
from paratrooper_ref.golden.recipe import Full
from paratrooper_ref.golden.recipes.full import FAMILY
from paratrooper_ref.golden.verify import verify
from paratrooper_ref.plots import INK, LOOKS, STYLE
from paratrooper_ref.variants import VARIANTS

PAGE = Path(__file__).with_name("golden-corpus.md")
FIGURES = Path(__file__).parent / "figures"


def core() -> Iterator[Golden]:
    """Yield the shipped cases."""
    corpus = Corpus()
    for entry in corpus.manifest().cases.values():
        if entry.tier == "core":
            yield corpus.load(entry)


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


# --------------------------------------------------------------------------- the same everywhere


def contents() -> str:
    """Return what is in the corpus."""
    manifest = Corpus().manifest()
    entries = manifest.cases.values()
    files = [path.read_bytes() for path in sorted(shipped().rglob("*.json"))]
    packed = sum(len(zlib.compress(content, 6)) for content in files) / 1e6
    raw = sum(e.bytes for e in entries if e.tier == "core") / 1e6
    rows: list[tuple[object, ...]] = []
    for tier in ("core", "full"):
        chosen = [e for e in entries if e.tier == tier]
        steps, values = sum(e.steps for e in chosen), sum(e.values for e in chosen)
        rows.append((tier, len(chosen), f"{steps:,}", f"{values:,}"))
    return (
        f"Corpus {manifest.corpus}, content sha256 `{manifest.digest}`.\n\n"
        + table(("tier", "cases", "steps", "proved numbers"), rows)
        + f"\n\nThe core tier has {raw:.1f} MB, {packed:.1f} MB compressed."
    )


def witnesses() -> str:
    """Return the witnesses of the core tier, by the word that names them."""
    groups: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    about: dict[str, list[str]] = defaultdict(list)
    for golden in core():
        group, _, rest = golden.case.partition("/")
        word = re.sub(r"^switch-.*-(\w+)$", r"switch-...-\1", rest.rpartition("-")[0])
        groups[word].add(group)
        counts[word] += 1
        if not any(golden.about.startswith(known) for known in about[word]):
            about[word].append(golden.about)
    rows: list[tuple[object, ...]] = []
    for word, names in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        who = "all" if len(names) == len(FAMILY) else ", ".join(sorted(names))
        rows.append((f"`{word}`", counts[word], who, " Or: ".join(about[word])))
    return table(("witness", "cases", "optimizers", "what it shows"), rows)


def bits() -> str:
    """Return how many bits the steps of the core tier take."""
    taken = Counter(step_again(golden, step)[1] for golden in core() for step in golden.steps)
    whole = sum(taken.values())
    rows: list[tuple[object, ...]] = [
        (n, taken[n], f"{100 * taken[n] / whole:.1f} %") for n in sorted(taken)
    ]
    return table(("bits", "steps", "share"), rows)


def claims(*, draw: bool = False) -> str:
    """Return how often and how clearly each variant is caught; draw it if asked to."""
    found: dict[str, dict[str, float]] = {}
    for golden in core():
        named = [VARIANTS[name] for name in golden.catches]
        for format in (FLOAT64, FLOAT32):
            for name, away in margins(golden, named, (format,)).items():
                best = found.setdefault(name, {"cases": 0, FLOAT64.name: 0.0, FLOAT32.name: 0.0})
                best[format.name] = max(best[format.name], away)
                best["cases"] += format is FLOAT64
                least = f"least {format.name}"
                best[least] = min(best.get(least, np.inf), away)
    if draw:
        _draw_claims(found)
    weakest = min(found, key=lambda name: found[name]["float32"])
    least = min(found, key=lambda name: found[name]["least float32"])
    kinds = Counter(VARIANTS[name].kind for name in found)
    said = (
        f"{len(found)} variants ({kinds['bug']} bugs, {kinds['dialect']} dialects) are caught, "
        f"each by {min(int(x['cases']) for x in found.values())} cases or more, "
        f"{sum(int(x['cases']) for x in found.values())} claims in all. "
        f"The least visible variant in float32 is `{weakest}`, {found[weakest]['float32']:.3g} "
        f"bounds away where it shows best; the weakest single claim is one of `{least}`, "
        f"{found[least]['least float32']:.3g} bounds."
    )
    rows: list[tuple[object, ...]] = []
    for name, x in sorted(found.items()):
        away = [_size(x[format]) for format in ("float64", "float32")]
        rows.append((f"`{name}`", VARIANTS[name].kind, int(x["cases"]), *away))
    head = ("variant", "kind", "cases that claim it", "bounds away in float64", "in float32")
    return f"{said}\n\n{table(head, rows)}"


def _size(x: float) -> str:
    return "∞" if np.isinf(x) else f"{x:.2g}"


def _draw_claims(found: dict[str, dict[str, float]]) -> None:
    names = sorted(found)
    columns = 3
    length = -(-len(names) // columns)
    with mpl.rc_context({**STYLE, "font.size": 8}):
        figure = Figure(figsize=(13, 0.19 * length + 1.2), layout="constrained")
        axes = figure.subplots(1, columns, sharex=True)
        for ax, start in zip(axes, range(0, len(names), length), strict=True):
            shown = names[start : start + length]
            for y, name in enumerate(shown):
                values = [min(found[name][k], 3e18) for k in ("float32", "float64")]
                color = "#d55e00" if VARIANTS[name].kind == "bug" else "#0072b2"
                ax.plot(values, [y, y], color=color, lw=0.8, alpha=0.5)
                ax.plot(values[0], y, "o", color=color, ms=4)
                ax.plot(values[1], y, "o", color=color, ms=4, mfc="white")
            ax.set_yticks(range(len(shown)), shown)
            ax.set_ylim(length - 0.4, -0.6)
            ax.set_xscale("log")
            ax.axvline(MARGIN, color=INK, lw=1, ls=(0, (4, 1.6)))
            ax.grid(axis="x", color="#e6e6e6", lw=0.6)
        figure.supxlabel(
            f"bounds away, where it shows best (dashed: {MARGIN}, where a claim begins; "
            "at the edge: without end)",
            fontsize=9,
        )
        axes[0].set_title("How clearly each variant is caught")
        marks = [
            mpl.lines.Line2D([], [], marker="o", ls="", color="#d55e00", label="bug"),
            mpl.lines.Line2D([], [], marker="o", ls="", color="#0072b2", label="dialect"),
            mpl.lines.Line2D([], [], marker="o", ls="", color=INK, label="float32"),
            mpl.lines.Line2D([], [], marker="o", ls="", color=INK, mfc="white", label="float64"),
        ]
        figure.legend(handles=marks, loc="outside upper right", ncols=4, fontsize=8)
        figure.savefig(FIGURES / "golden-claims.png", dpi=110)


def refused() -> str:
    """Return what is not admitted, and why."""
    net = problems.linear_net(depth=3, width=2, samples=8, skip="layer")
    rows: list[tuple[object, ...]] = []
    steep = problems.rosenbrock()
    for name, optimizer, problem in (
        ("LARS on a linear net with skips", FAMILY["lars"], net),
        ("LAMB on a linear net with skips", FAMILY["lamb"], net),
        ("RAdamW, warming up by momentum, on Rosenbrock", pr.RAdamW(lr=2e-2), steep),
    ):
        recipe = Full(case="x/x", about="", optimizer=optimizer, problem=problem, steps=200)
        try:
            make(recipe)
        except Unproved as error:
            rows.append((name, str(error).partition("admitted: ")[2].partition(": [")[0]))
    return table(("trajectory of 200 steps", "why it is refused"), rows)


# --------------------------------------------------------------------------- of this machine


def speed() -> str:
    """Return what proving costs beside the float64 run, in pairs."""
    rows: list[tuple[object, ...]] = []
    worst: dict[int, float] = defaultdict(float)
    for name, optimizer in FAMILY.items():
        cells: list[object] = [f"`{name}`"]
        for n in (2, 10, 100):
            problem = problems.rosenbrock(n=n)
            recipe = Full(case="x/x", about="", optimizer=optimizer, problem=problem, steps=200)
            run, proof = best_of(
                lambda o=optimizer, p=problem: pr.run(o, p, 200), lambda r=recipe: loop(r)
            )
            worst[n] = max(worst[n], proof / run)
            cells.append(f"{proof / run:.1f}")
        rows.append(tuple(cells))
    said = ", ".join(f"{worst[n]:.1f} for {n}" for n in worst)
    head = ("optimizer", "2 elements", "10 elements", "100 elements")
    return f"Proof over run, the largest: {said} elements.\n\n" + table(head, rows)


def best_of(*acts: Callable[[], object], times: int = 3) -> list[float]:
    """Return the least time of each act, taken in turns."""
    best = [np.inf] * len(acts)
    for _ in range(times):
        for i, act in enumerate(acts):
            begun = time.perf_counter()
            act()
            best[i] = min(best[i], time.perf_counter() - begun)
    return best


def corpus_times() -> str:
    """Return how long generating, verifying and proving the tiers takes; draw the growth."""
    rows: list[tuple[object, ...]] = []
    with TemporaryDirectory() as place:
        for tier, jobs in (("core", 1), ("core", 2), ("full", 2)):
            folder = Path(place) / f"{tier}-{jobs}"
            begun = time.perf_counter()
            generate(folder, ("core", "full") if tier == "full" else ("core",), jobs=jobs)
            made = time.perf_counter() - begun
            name = {"core": "core", "full": "core and full"}[tier]
            cells: list[object] = [name, jobs, f"{made:.1f} s"]
            for prove in (False, True):
                begun = time.perf_counter()
                report = verify(Corpus(folder), prove=prove, jobs=jobs)
                assert report.holds, report.errors
                cells.append(f"{time.perf_counter() - begun:.1f} s")
            rows.append(tuple(cells))
        whole = Corpus(Path(place) / "full-2")
        pinned = [e for e in whole.manifest().cases.values() if e.tier == "full"]
        grown = {entry.case: whole.load(entry).growth for entry in pinned}
    _draw_growth({name: x for name, x in grown.items() if x is not None})
    head = ("tier", "processes", "generate", "verify", "verify --prove")
    largest = max((float(x.max()), name) for name, x in grown.items() if x is not None)
    return (
        table(head, rows)
        + f"\n\nThe largest growth of a trajectory that is admitted is {largest[0]:.2g}, of "
        f"`{largest[1]}`."
    )


def _draw_growth(grown: dict[str, np.ndarray]) -> None:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        ax = figure.subplots()
        for name, x in sorted(grown.items()):
            optimizer = name.partition("/")[2].partition("-")[0]
            optimizer = {"nesterov": "sgd", "lars_2019": "lars"}.get(optimizer, optimizer)
            look = LOOKS[optimizer]
            ax.plot(np.arange(1, len(x) + 1), x, color=look.color, ls=look.dashes, lw=1.0)
            if x.max() > 1e-14:
                ax.annotate(name, (len(x), x[-1]), fontsize=8, color=look.color, xytext=(3, 0),
                            textcoords="offset points", va="center")
        ax.axhline(MOST_GROWTH, color=INK, ls=(0, (4, 1.6)), lw=1)
        ax.annotate("refused above", (1, MOST_GROWTH), xytext=(2, 4), textcoords="offset points")
        ax.set_yscale("log")
        ax.set_xscale("log")
        ax.set_xlim(1, 1600)
        ax.set_xlabel("step")
        ax.set_ylabel("relative change")
        ax.set_title("What one unit in the last place of the start becomes")
        used = {"nesterov": "sgd", "lars_2019": "lars"}
        shown = sorted({name.partition("/")[2].partition("-")[0] for name in grown} - used.keys())
        looks = [LOOKS[name] for name in shown]
        lines = [mpl.lines.Line2D([], [], color=x.color, ls=x.dashes, label=x.label) for x in looks]
        figure.legend(handles=lines, loc="outside right upper", fontsize=8)
        figure.savefig(FIGURES / "golden-growth.png", dpi=130)


def machine() -> str:
    """Return what the times were taken on."""
    import flint

    return (
        f"Python {platform.python_version()}, NumPy {np.__version__}, python-flint "
        f"{flint.__version__}, {platform.machine()}, two cores shared with others: read ratios."
    )


# --------------------------------------------------------------------------- the page

FIXED: dict[str, Callable[[], str]] = {
    "contents": contents,
    "witnesses": witnesses,
    "bits": bits,
    "claims": claims,
    "refused": refused,
}
TIMED: dict[str, Callable[[], str]] = {
    "machine": machine, "speed": speed, "times": corpus_times,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or check."""
    asked = parser(__doc__, check="compare what is the same everywhere").parse_args(arguments)
    found = {}
    for name, measured in (FIXED if asked.check else FIXED | TIMED).items():
        print(f"measuring {name}", file=sys.stderr)
        found[name] = claims(draw=not asked.check) if name == "claims" else measured()
    page = filled(PAGE.read_text("utf-8"), found)
    return published(PAGE, page, check=asked.check, make="python docs/golden_corpus.py")


if __name__ == "__main__":
    sys.exit(main())
