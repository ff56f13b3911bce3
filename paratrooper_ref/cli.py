"""The command line: run, explain, plot, claims, golden, check, infer, attribute, kill, variants.

Exit status: 0 success, 1 a check failed, 2 bad usage or input (one line on stderr), 3 there was
nothing to check, 130 interrupted.
"""

from __future__ import annotations

import argparse
import inspect
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from paratrooper_ref import __version__
from paratrooper_ref.arguments import count, integer
from paratrooper_ref.claims.commands import add_verb as add_claims
from paratrooper_ref.comparison import GRID, MULTIPLES, compare, save, table
from paratrooper_ref.conformance import commands as conformance
from paratrooper_ref.explain import explain, number
from paratrooper_ref.files import folder, replacing, unread
from paratrooper_ref.golden.commands import add_verbs
from paratrooper_ref.golden.error import GoldenError, Unproved
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import OPTIMIZERS, Optimizer, build
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.plots.scalars import LONGEST
from paratrooper_ref.progress import Bar
from paratrooper_ref.schedules import SCHEDULES, Schedule, build_schedule
from paratrooper_ref.trajectory import Trajectory, check_run, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paratrooper_ref.comparison import Entry
    from paratrooper_ref.plots import Basins
    from problems import Problem

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNHEARD: Final = 141  # what a shell says of a process that a closed pipe has ended
PICTURES: Final = ("basins", "curves", "losses", "margins", "paths", "trust")
MANY: Final = 0.1  # of the starts of basins: so many that it should be said
REPORT: Final = "paratrooper-ref conformance report"
MAIN_PROBLEMS: Final = ("rosenbrock", "diabetes")
FAMILY: Final = f"{', '.join(OPTIMIZERS)} (lookahead:INNER goes around another, AdamW by default)"


class _Parser(argparse.ArgumentParser):
    """A parser whose refusal is one line, with the nearest known word."""

    verbs: Mapping[str, argparse.ArgumentParser] | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"(?:invalid choice: '|unrecognized arguments: )([^' =]+)", message)
        choices = re.findall(r"[\w-]+", message.partition(" (choose from")[2])
        known = choices or [*(self.verbs or self._option_string_actions)]
        hint = f"; {nearest(unknown[1], known)}" if unknown else ""
        sys.stderr.write(f"{self.prog}: {message.partition(' (choose')[0]}{hint}\n")
        sys.exit(USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # symbols are Greek, and not all terminals are
            stream.reconfigure(errors="backslashreplace")
    args, left = _parser().parse_known_args(argv)
    if left:
        args.parser.error(f"unrecognized arguments: {' '.join(left)}")
    try:
        status: int = args.act(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; what was checked may not hold
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD if getattr(args, "checks", False) else DONE
    except KeyboardInterrupt:
        sys.stderr.write("paratrooper-ref: interrupted\n")
        return 130
    except (GoldenError, Unproved) as error:
        sys.stderr.write(f"paratrooper-ref: {error}\n")
        return FAILED
    except (ValueError, TypeError, OSError, ImportError, ArithmeticError, BrokenExecutor) as error:
        text = " ".join(str(error).split())
        sys.stderr.write(f"paratrooper-ref: {text or type(error).__name__}\n")
        return USAGE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="paratrooper-ref",
        description="The reference of Paratrooper and its family.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=_Parser)
    parser.verbs = verbs.choices

    verb = verbs.add_parser(
        "run",
        help="run optimizers on problems: a table, a figure, saved trajectories",
        description=(
            "Run optimizers on problems and leave a table, a figure and the trajectories. "
            "Without arguments: the whole family on Rosenbrock's valley and on the diabetes "
            "regression, each optimizer at its best learning rate."
        ),
        epilog="example: paratrooper-ref run adamw paratrooper --problem beale --steps 300",
    )
    verb.add_argument("optimizer", nargs="*", help=f"any of {FAMILY}; all if none")
    _add_run_arguments(verb, many=True)
    verb.add_argument(
        "--lr",
        default="sweep",
        help="a learning rate, or 'sweep' (default): multiples of each optimizer's own, from "
        f"{MULTIPLES[0]:g} to {MULTIPLES[-1]:g}, and on until a decade on either side of the best "
        f"ends higher, or to {GRID[0]:g} and {GRID[-1]:g}; to look elsewhere, --set lr=X",
    )
    verb.add_argument("--steps", type=integer, default=500, help="steps to take (default 500)")
    verb.add_argument("--schedule", help=f"{', '.join(SCHEDULES)}, such as plateau:patience=5")
    verb.add_argument("--every", type=integer, default=1, help="record every n-th step (1)")
    verb.add_argument(
        "--out",
        type=Path,
        default=Path("paratrooper-run"),
        help="folder to write to (default paratrooper-run); files of the same name are replaced",
    )
    cores = os.cpu_count() or 1
    verb.add_argument("--jobs", type=count, default=cores, help=f"processes to use ({cores})")
    verb.add_argument("--no-figure", action="store_true", help="draw nothing")
    verb.add_argument("--json", action="store_true", help="print the summary as JSON")
    verb.set_defaults(act=_run, parser=verb)

    verb = verbs.add_parser(
        "explain",
        help="show one step, every line as symbol = formula = numbers = value",
        description="Show every line of one step as symbol = formula = numbers = value.",
        epilog="example: paratrooper-ref explain paratrooper --step 6",
    )
    verb.add_argument("optimizer", help=f"one of {FAMILY}")
    _add_run_arguments(verb, many=False)
    verb.add_argument("--lr", type=float, help="learning rate; the optimizer's own by default")
    verb.add_argument("--step", type=integer, default=1, help="which step, from 1 (default)")
    verb.add_argument("--layer", help="which layer (default: the first)")
    verb.add_argument("--json", action="store_true", help="print the lines as JSON")
    verb.set_defaults(act=_explain, parser=verb)

    verb = verbs.add_parser(
        "plot",
        help="draw saved trajectories, or the source's three curves",
        description=(
            "Draw what 'run' has saved: 'paths' (in motion where the picture is a .gif or .mp4), "
            "'losses', 'trust', any line by its tag, such as 'rho', or 'basins', where a grid of "
            "other starts ends; 'margins', error over bound of what 'check --report' has saved as "
            "JSON; or 'curves', the source's b, 1/b and 1/(r b), which needs no file."
        ),
        epilog="example: paratrooper-ref plot losses paratrooper-run/rosenbrock-*.npz",
    )
    verb.add_argument("what", help=f"{', '.join(PICTURES)}, or the tag of a line")
    several = "saved trajectories, several for losses and paths; a report for margins"
    verb.add_argument("file", nargs="*", type=Path, help=several)
    verb.add_argument("-o", "--out", type=Path, help="the picture, such as x.pdf (WHAT.png)")
    verb.add_argument("--layer", help="which layer of a line (default: the first)")
    verb.add_argument("--beta1", type=float, default=0.95, help="of the curves (default 0.95)")
    verb.add_argument("--beta2", type=float, default=0.999, help="of the curves (default 0.999)")
    verb.add_argument(
        "--steps",
        type=integer,
        help="length of the curves (default 2000); steps from each start of the basins (as many "
        f"as the run took); at most {LONGEST}",
    )
    verb.set_defaults(act=_plot, parser=verb)

    golden = verbs.add_parser(
        "golden",
        help="the corpus of proved trajectories: list, show, generate, verify, diff, export",
        description="The golden corpus: trajectories whose every digit is proved.",
        epilog="example: paratrooper-ref golden verify --prove",
    )
    golden.verbs = add_verbs(golden, _Parser)
    add_claims(verbs)
    conformance.add_verbs(verbs)
    return parser


def _add_run_arguments(verb: argparse.ArgumentParser, *, many: bool) -> None:
    verb.add_argument(
        "--problem",
        action="append" if many else "store",
        help="a problem, such as rosenbrock or linear_net:depth=3,skip=layer; a wrong name lists "
        "them all" + (" (repeat for several)" if many else " (default rosenbrock)"),
    )
    verb.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter"
    )
    verb.add_argument("--minibatch", type=integer, metavar="SIZE", help="draw mini-batches")
    verb.add_argument("--seed", type=integer, default=0, help="seed of the draws (default 0)")


def _run(args: argparse.Namespace) -> int:
    names = [name.lower() for name in args.optimizer] or list(OPTIMIZERS)
    optimizers = {name: _optimizer(name, args.set, all_of=names) for name in names}
    problems = [_problem(p, args) for p in args.problem or MAIN_PROBLEMS]
    multiples: tuple[float, ...] | None = None
    if args.lr != "sweep":
        lr, multiples = _number("--lr", args.lr), (1.0,)
        optimizers = {name: optimizer.at_rate(lr) for name, optimizer in optimizers.items()}
    schedule = _schedule(args.schedule, args.steps)
    figures = None if args.no_figure else _matplotlib()
    if args.out.exists() and not args.out.is_dir():
        msg = f"run needs a folder to write to, got --out={args.out}, a file"
        raise ValueError(msg)
    for optimizer in optimizers.values():
        check_run(optimizer, problems[0], schedule, steps=args.steps, every=args.every)
    with folder("run", args.out), Bar("running") as bar:
        entries = compare(
            {_label(name): optimizer for name, optimizer in optimizers.items()},
            problems,
            args.steps,
            multiples=multiples,
            schedule=schedule,
            every=args.every,
            jobs=args.jobs,
            progress=bar,
        )
    files = save(entries, args.out)
    if figures is not None:
        import matplotlib as mpl

        with mpl.rc_context(figures.STYLE):
            files.append(_drawn(figures.overview(entries), args.out / "figure.png"))
    if args.json:
        print(json.dumps([e.summary() for e in entries], indent=1, allow_nan=False))
    else:
        print(table(entries))
        if multiples is None:
            print(f"\n{_searched(entries)}")
        picture = f"; look at {files[-1]}" if figures else ""
        print(f"saved {len(files)} files in {args.out}{picture}")
    return DONE


def _searched(entries: Sequence[Entry]) -> str:
    """Return in words what rates have been tried, and where that was not enough."""
    tried = sorted({len(entry.rates) for entry in entries})
    said = (
        f"each at the best of {'-'.join(map(str, tried[:: max(1, len(tried) - 1)]))} learning "
        f"rates: {MULTIPLES[0]:g} to {MULTIPLES[-1]:g} times its own, and on until a decade on "
        "either side of the best ended higher"
    )
    if any(entry.edge for entry in entries):
        said += (
            f"\nat the edge: up to {GRID[0]:g} and {GRID[-1]:g} times its own the loss falls to "
            "the end; look further with --set lr=X, another rate of its own"
        )
    return said


def _explain(args: argparse.Namespace) -> int:
    optimizer = _optimizer(args.optimizer.lower(), args.set)
    if args.lr is not None:
        optimizer = optimizer.at_rate(args.lr)
    problem = _problem(args.problem or "rosenbrock", args)
    if args.step < 1:
        msg = f"explain needs --step >= 1, got --step={args.step}"
        raise ValueError(msg)
    if args.layer is not None and args.layer not in problem.layers:
        known = nearest(args.layer, problem.layers)
        msg = f"explain needs a layer of {problem.name}, got --layer={args.layer}; {known}"
        raise ValueError(msg)
    state = optimizer.init(problem.starts[0])
    with np.errstate(all="ignore"):  # a step names what is not finite
        for t in range(1, args.step):
            state, _ = optimizer.step(state, problem.grad(state.params, t))
        gradient = problem.grad(state.params, args.step)
    found = explain(optimizer, state, gradient, layer=args.layer)
    if args.json:
        rows = [line._asdict() | {"value": _plain(line.value)} for line in found]
        print(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False))
        return DONE
    layer = args.layer or next(iter(problem.layers))
    print(f"{optimizer.name} on {problem.name}, step {args.step}, layer {layer}\n")
    margin = max(len(line.symbol) for line in found)
    for line in found:
        parts = (line.formula, line.numbers, number(line.value, 17))
        shown = dict.fromkeys(part for part in parts if part)
        left = line.symbol
        for text in shown:
            if text != line.symbol:
                print(f"{left:>{margin}} = {text}")
                left = ""
    return DONE


def _plot(args: argparse.Namespace) -> int:
    plots = _matplotlib()
    out = args.out or Path(f"{args.what}.png")
    import matplotlib as mpl

    with mpl.rc_context(plots.STYLE):
        if args.what == "curves":
            ax = plots.curves(beta1=args.beta1, beta2=args.beta2, steps=_steps(args, 2000))
        else:
            if not args.file and args.what not in (*PICTURES, *TAGS):
                _known("picture", args.what, [*PICTURES, *TAGS])
            if not args.file and args.what != "margins":
                msg = f"plot {args.what} needs files that 'run' has saved, got none"
                raise ValueError(msg)
            if args.what == "margins":
                ax = plots.margins(_report(args.file))
            else:
                runs = [load(file) for file in args.file]
                if args.what == "paths" and out.suffix.lower() in plots.FILMS:
                    print(_filmed(plots, runs, out))
                    return DONE
                ax = _plotted(plots, args, runs)
        print(_drawn(ax.figure, out))
    return DONE


def _report(files: list[Path]) -> dict[str, Any]:
    """Return what ``check --report`` has saved as JSON."""
    needs = "plot margins needs a report that 'check --report x.json' has saved, got"
    if not files:
        msg = f"{needs} none"
        raise ValueError(msg)
    _one_file("margins", files)
    try:
        found = json.loads(files[0].read_bytes())
    except OSError as error:
        msg = f"{needs} {unread(files[0], error)}"
        raise ValueError(msg) from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or not str(found.get("format")).startswith(REPORT):
        msg = f"{needs} {files[0]}"
        raise ValueError(msg)
    return found


def _filmed(plots: ModuleType, runs: list[Trajectory], out: Path) -> Path:
    _one_problem("paths", runs)
    with _writable(out):
        plots.film_writer(out)  # before the work
        film: Path = plots.save_animation(plots.animate(_named(runs)), out)
    return film


def _plotted(plots: ModuleType, args: argparse.Namespace, runs: list[Trajectory]) -> Any:
    what: str = args.what
    if what in ("losses", "paths"):
        _one_problem(what, runs)
    else:
        _one_file(what, runs)
    if what == "losses":
        named = _named(runs)
        ax = plots.losses(named, floor=1e-16)
        ax.set_title(runs[0].problem.name)
        ax.figure.set_figwidth(plots.style.BESIDE)
        return plots.key(ax)
    if what == "paths":
        ax = plots.contour(runs[0].problem)
        for name, run in _named(runs).items():
            plots.path(run, ax, name=name)
        ax.set_title(runs[0].problem.name)
        return plots.key(ax)
    if what == "basins":
        (run,) = runs
        if args.steps is None and run.stopped is not None and not run.state.batch_axes:
            msg = (
                "plot basins takes its steps from the run, but this one became non-finite after "
                f"step {run.t[-1]}; say how many, such as --steps 300"
            )
            raise ValueError(msg)
        steps = _steps(args, int(run.t[-1]))
        found = plots.attraction(run.optimizer, run.problem, steps=steps, schedule=run.schedule)
        _hint(found)
        return plots.basins(found)
    if what == "trust":
        return plots.trust(runs[0])
    tags = set().union(*(tags for tags in runs[0].lines.values()))
    if what not in tags:
        _known("picture", what, [*PICTURES, *TAGS])
        msg = f"plot {what} needs a run with that line, got one of {runs[0].optimizer.name}"
        raise ValueError(msg)
    return plots.line(runs[0], what, layer=args.layer)


def _hint(found: Basins) -> None:
    """Say on stderr that more steps may take starts to a minimum, if many are at none."""
    nowhere = float(np.mean((found.reached < 0) & found.alive))
    more = min(10 * found.steps, LONGEST)
    if nowhere >= MANY and more > found.steps:
        sys.stderr.write(
            f"plot basins: after {found.steps} steps {nowhere:.0%} of the starts are at no minimum "
            f"that is declared; more steps may take them there, such as --steps {more}\n"
        )


def _steps(args: argparse.Namespace, otherwise: int) -> int:
    """Return the steps that were asked for, or others; refuse what would take hours."""
    steps: int = otherwise if args.steps is None else args.steps
    if not 1 <= steps <= LONGEST:
        msg = f"plot {args.what} needs --steps from 1 to {LONGEST}, got --steps={steps}"
        raise ValueError(msg)
    return steps


def _one_problem(what: str, runs: list[Trajectory]) -> None:
    found = list(dict.fromkeys(run.problem.name for run in runs))
    if len(found) > 1:
        msg = f"plot {what} needs runs of one problem, got {', '.join(found)}"
        raise ValueError(msg)


def _one_file(what: str, files: Sequence[object]) -> None:
    if len(files) != 1:
        msg = f"plot {what} needs one file, got {len(files)}"
        raise ValueError(msg)


def _named(runs: list[Trajectory]) -> dict[str, Trajectory]:
    """Name runs by their optimizer, and by its rate too where two would be one."""
    names = [run.optimizer.algorithm for run in runs]
    named: dict[str, Trajectory] = {}
    for name, run in zip(names, runs, strict=True):
        shown = name if names.count(name) == 1 else f"{name}(lr={run.optimizer.rate(None):g})"
        while shown in named:
            shown += "'"
        named[shown] = run
    return named


def _optimizer(name: str, settings: Iterable[str], all_of: Sequence[str] = ()) -> Optimizer:
    """Return an optimizer by name; settings that it does not have must suit another one."""
    names = all_of or [name]
    name, _, inner = name.partition(":")
    _known("optimizer", name, OPTIMIZERS)
    hyper: dict[str, Any] = {}
    if name == "lookahead":
        own = [s for s in settings if s.partition("=")[0] not in _fields(name)]
        hyper["inner"] = _optimizer(inner or "adamw", own, all_of=[inner or "adamw", *names]).spec
    elif inner:
        msg = f"only lookahead goes around another optimizer, got {name}:{inner}"
        raise ValueError(msg)
    for setting in settings:
        key, value = _assignment("--set", setting)
        takers = [n for n in names if key in _fields(n)]
        if not takers:
            known = nearest(key, sorted({f for n in names for f in _fields(n)}))
            msg = f"--set needs a hyperparameter of {', '.join(names)}, got {key!r}; {known}"
            raise ValueError(msg)
        if key in _own_fields(name):
            words = OPTIMIZERS[name].__dataclass_fields__[key].metadata.get("words", ())
            text = setting.partition("=")[2]
            absent = text.lower() == "none" and None in words
            hyper[key] = None if absent else text if text in words else value
    return build({"algorithm": name, "hyper": hyper})


def _own_fields(name: str) -> list[str]:
    return [f.name for f in fields(OPTIMIZERS[name]) if f.metadata]


def _fields(name: str) -> list[str]:
    """Return what can be set of an optimizer, for lookahead what is within too."""
    name, _, inner = name.partition(":")
    if name not in OPTIMIZERS:
        return []
    goes_around = name == "lookahead" and inner in ("", *OPTIMIZERS)
    return _own_fields(name) + (_own_fields(inner or "adamw") if goes_around else [])


def _label(name: str) -> str:
    """Return how a run is called: lookahead(sgd) for lookahead:sgd."""
    name, _, inner = name.partition(":")
    return f"{name}({inner})" if inner else name


def _problem(text: str, args: argparse.Namespace) -> Problem:
    problems = _problems()
    name, arguments = _call("problem", text)
    _known("problem", name, problems.CATALOGUE)
    parameters = inspect.signature(problems.CATALOGUE[name]).parameters
    for key, value in arguments.items():
        if key not in parameters:
            msg = f"unknown argument {key!r} of {name}; {nearest(key, parameters)}"
            raise ValueError(msg)
        if value == "none" and not isinstance(parameters[key].default, str):
            arguments[key] = None
    problem: Problem = problems.build({"problem": name, "arguments": arguments})
    if args.minibatch is not None:
        problem = problems.minibatch(problem, size=args.minibatch, seed=args.seed)
    return problem


def _schedule(text: str | None, steps: int) -> Schedule | None:
    if text is None:
        return None
    name, arguments = _call("schedule", text)
    _known("schedule", name, SCHEDULES)
    known = [f.name for f in fields(SCHEDULES[name])]
    if "steps" in known:
        arguments.setdefault("steps", max(1, steps))
    for key in arguments:
        if key not in known:
            msg = f"the schedule {name} needs known arguments, got {key!r}; {nearest(key, known)}"
            raise ValueError(msg)
    return build_schedule({"schedule": name, "arguments": arguments})


def _known(what: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        msg = f"unknown {what} {name!r}; {nearest(name, names)}"
        raise ValueError(msg)


def _call(what: str, text: str) -> tuple[str, dict[str, Any]]:
    """Split ``name:key=value,key=value``."""
    name, _, rest = text.partition(":")
    pairs = [_assignment(f"the {what} {name}", part) for part in rest.split(",") if part]
    return name, dict(pairs)


def _assignment(who: str, text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        msg = f"{who} needs NAME=VALUE, got {text!r}"
        raise ValueError(msg)
    words = {"true": True, "false": False}
    if value.lower() in words:
        return key, words[value.lower()]
    for number_of in (int, float):
        try:
            return key, number_of(value)
        except ValueError:
            continue
    return key, value


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        msg = f"{name} needs a number or 'sweep', got {text!r}"
        raise ValueError(msg) from None


def _problems() -> ModuleType:
    import problems

    if not hasattr(problems, "Problem"):
        msg = f"the package 'problems' of this project is needed, got {problems.__file__}"
        raise ImportError(msg)
    return problems


def _matplotlib() -> ModuleType:
    try:
        import matplotlib as mpl
    except ImportError:
        msg = "figures need matplotlib: install it (the extra 'plot'), or use --no-figure"
        raise ImportError(msg) from None
    mpl.use("Agg")
    from paratrooper_ref import plots

    return plots


def _plain(x: Any) -> Any:
    """Return a line's value as JSON has it: a number, a flag, or a list."""
    if isinstance(x, (bool, str)):
        return x
    flat = np.ravel(x).astype(float).tolist() if isinstance(x, np.ndarray) else [float(x)]
    flat = [a if math.isfinite(a) else None for a in flat]  # an infinite ceiling
    return flat[0] if len(flat) == 1 else flat


def _drawn(figure: Figure, out: Path) -> Path:
    with _writable(out), replacing(out) as file:
        figure.savefig(file, format=out.suffix.removeprefix(".") or "png")
    return out


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    """Say in a sentence where a picture cannot be written."""
    try:
        yield
    except OSError as error:
        msg = f"a picture needs a folder to write to, got {out} ({error.strerror or error})"
        raise ValueError(msg) from error
