"""The verbs of the kit: check, infer, attribute, kill, variants.

Exit status: 0 it holds, 1 something failed, 2 an unusable argument or file, 3 nothing ran, or the
counts do not match.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from paratrooper_ref.conformance.backend import Backend
from paratrooper_ref.conformance.kit import check, names
from paratrooper_ref.conformance.profile import DTYPES, Profile
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.watch import SECONDS
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.optimizers import OPTIMIZERS
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.progress import Bar
from paratrooper_ref.variants import FAULTS, SCHEDULE_VARIANTS, VARIANTS, Variant

HOLDS: Final = 0
FAILED: Final = 1


def add_verbs(verbs: Any) -> None:
    """Add the verbs to those of the command line."""

    def verb(name: str, act: Callable[[argparse.Namespace], int], help: str, **more: Any) -> Any:
        said = f"{help[0].upper()}{help[1:]}."
        made = verbs.add_parser(name, help=help, description=said, **more)
        made.set_defaults(act=act, parser=made, checks=name in ("check", "kill"))
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    made = verb(
        "check", _check, "hold a backend to the golden steps: does it conform, and if not, where",
        epilog="examples: paratrooper-ref check torch.optim:AdamW --algorithm adamw --set "
        "foreach=True; paratrooper-ref check mine.py:backend --report report.html",
    )
    _backend(made)
    made.add_argument("--tier", choices=("core", "full", "all"), default="core", help="(core)")
    made.add_argument("--corpus", type=Path, help="the folder of one (that of the package)")
    made.add_argument("--expect", type=Path, help="a TOML file of expected failures")
    made.add_argument("--report", type=Path, help="write the report: .json, or .html with pictures")
    made.add_argument(
        "--replays", type=Path, metavar="FOLDER", help="write each failing step to its own file"
    )
    made.add_argument(
        "--no-runs", dest="runs", action="store_false", help="only single steps, no runs"
    )
    made.add_argument("--quiet", action="store_true", help="print the closing line alone")

    made = verb("infer", _infer, "find the smallest profile of arithmetic that a backend fits")
    _backend(made)

    made = verb(
        "attribute", _attribute,
        "name the variant that a backend's steps look like, from replay files",
    )
    made.add_argument(
        "file", type=Path, nargs="+", help="as check --replays and the hypothesis tests write it"
    )

    made = verb("kill", _kill, "hold the shipped kill matrix to the corpus and the variants")
    made.add_argument("--update", type=Path, metavar="FILE", help="compute it anew, into a file")

    made = verb("variants", _variants, "list the variants: dialects, bugs, forms of evaluation")
    made.add_argument("pattern", nargs="?", default="*", help="such as 'radam.*' (default: all)")
    made.add_argument("--kind", choices=("bug", "dialect", "form", "fault"), help="only these")
    made.add_argument("--rule", help="only those of a rule, such as adamw")


def _backend(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "backend",
        help="MODULE:NAME or FILE.py:NAME: an adapter, what makes one, or a torch optimizer",
    )
    made.add_argument("--algorithm", help=f"{', '.join(OPTIMIZERS)}; the adapter's own if it says")
    made.add_argument("--dialect", help="a variant that it is meant to be, see variants")
    made.add_argument("--dtype", choices=DTYPES, help="of a torch optimizer (float32)")
    made.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="an argument of the adapter's maker, or of the torch optimizer",
    )
    made.add_argument(
        "--profile", action="append", default=[], metavar="NAME=VALUE",
        help="declare another arithmetic, such as scalars=mixed",
    )
    made.add_argument("--only", default="*", help="a pattern of cases, such as '*/switch-*'")
    made.add_argument(
        "--seconds", type=float, help=f"what a step may take ({SECONDS:g})"
    )


# --------------------------------------------------------------------------- check, infer


def _check(args: argparse.Namespace) -> int:
    if args.report is not None and not Path(args.report).absolute().parent.is_dir():
        msg = f"--report needs a folder that is there, got {args.report}"
        raise ValueError(msg)
    backend, algorithm = _asked(args)
    profile = _profile(backend, args.profile)
    corpus = Corpus(args.corpus)
    whole, done = len(names(algorithm, corpus, args.tier, args.only, runs=args.runs)), 0
    with Bar("checking") as bar:

        def progress(case: str) -> None:
            nonlocal done
            bar(done, whole)
            done += 1

        report = check(
            backend, algorithm, dialect=args.dialect, profile=profile, tier=args.tier,
            only=args.only, runs=args.runs, expect=args.expect, seconds=args.seconds,
            corpus=corpus, progress=progress,
        )
    if args.report is not None:
        report.save(args.report)
    if args.replays is not None:
        _replays(report, args.replays)
    if args.json:
        print(json.dumps(report.to_json(), indent=1, sort_keys=True))
    else:
        print(report.summary if args.quiet else report)
    return report.exit_code


def _replays(report: Report, folder: Path) -> None:
    """Write the failing steps of a report, and say where."""
    from paratrooper_ref.conformance.replay import save, to_replay

    folder.mkdir(parents=True, exist_ok=True)
    for result in report.failed:
        if result.replay is not None:
            shown = result.replay.get("shown")
            content = to_replay(
                result.replay["question"], report.profile, result.case, backend=report.backend,
                dialect=report.dialect, verdict=result.verdict, detail=result.detail, shown=shown,
            )
            sys.stderr.write(f"{save(content, folder)}\n")


def _infer(args: argparse.Namespace) -> int:
    from paratrooper_ref.conformance.infer import infer

    backend, algorithm = _asked(args)
    found = infer(
        backend, algorithm, dialect=args.dialect, only=args.only, seconds=args.seconds or SECONDS
    )
    print(json.dumps(found.to_json(), indent=1, sort_keys=True) if args.json else found)
    return HOLDS if found.ok else FAILED


def _asked(args: argparse.Namespace) -> tuple[Backend, str]:
    """Return the backend and the algorithm that a command is about."""
    found = _found(args.backend)
    settings = dict(_assignment(text) for text in args.set)
    if _is_torch(found):
        from paratrooper_ref.conformance.torch_backend import TorchBackend

        backend: Any = TorchBackend(found, dtype=args.dtype or "float32", options=settings)
    elif hasattr(found, "start") and not inspect.isclass(found):
        if settings or args.dtype:
            msg = f"{args.backend} is an adapter already; --set and --dtype are for what makes one"
            raise ValueError(msg)
        backend = found
    elif inspect.isfunction(found) and "theta" in inspect.signature(found).parameters:
        msg = f"{args.backend} is an update function; name KernelBackend({found.__name__}) instead"
        raise ValueError(msg)
    elif callable(found):
        backend = found(**settings, **({"dtype": args.dtype} if args.dtype else {}))
    else:
        backend = found
    for name in ("start", "step", "read", "profile", "name"):
        try:
            known = hasattr(backend, name)
        except RuntimeError as error:  # a program that does not start, or does not speak
            msg = f"{args.backend} cannot be asked for its {name}: {error}"
            raise ValueError(msg) from error
        if not known:
            needs = "check needs an adapter with start, step, read, profile and name"
            msg = f"{needs}; {args.backend} has no {name}"
            raise ValueError(msg)
    algorithm = args.algorithm or getattr(backend, "algorithm", None) or _guessed(args.backend)
    if algorithm is None:
        msg = f"check needs --algorithm, one of {', '.join(OPTIMIZERS)}"
        raise ValueError(msg)
    return backend, algorithm


def _guessed(text: str) -> str | None:
    """Return the algorithm whose name a backend has, if it has one."""
    name = text.rpartition(":")[2].rpartition(".")[2].lower()
    return name if name in OPTIMIZERS else None


def _found(text: str) -> Any:
    """Return what MODULE:NAME or FILE.py:NAME is."""
    module, colon, name = text.rpartition(":")
    if not colon or not module or not name:
        msg = f"check needs a backend as MODULE:NAME or FILE.py:NAME, got {text!r}"
        raise ValueError(msg)
    found = _module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            public = [n for n in vars(found) if not n.startswith("_")]
            msg = f"{module} has no {part!r}; {nearest(part, public) if public else 'it is empty'}"
            raise ValueError(msg)
        found = getattr(found, part)
    return found


def _module(name: str) -> Any:
    sys.path.insert(0, "")  # as python -m has it: what lies here can be named
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        path = Path(name)
        if not path.is_file():
            msg = f"check needs a file of Python, got {name}, which is none"
            raise ValueError(msg)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        sys.path.insert(0, str(path.parent))
        spec.loader.exec_module(module)
        return module
    except (ValueError, ImportError):
        raise
    except Exception as error:
        msg = f"{name} cannot be imported: {type(error).__name__}: {error}"
        raise ValueError(msg) from error


def _is_torch(found: Any) -> bool:
    torch = sys.modules.get("torch")
    return (
        torch is not None and inspect.isclass(found) and issubclass(found, torch.optim.Optimizer)
    )


def _profile(backend: Backend, texts: Iterable[str]) -> Profile | None:
    changes = dict(_assignment(text) for text in texts)
    if not changes:
        return None
    known = list(Profile.__dataclass_fields__)
    for name in changes:
        if name not in known:
            msg = f"--profile has no {name!r}; {nearest(name, known)}"
            raise ValueError(msg)
    return backend.profile.but(**changes)


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        msg = f"NAME=VALUE is needed, got {text!r}"
        raise ValueError(msg)
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


# --------------------------------------------------------------------------- attribute, kill


def _attribute(args: argparse.Namespace) -> int:
    from paratrooper_ref.conformance.observed import attributed

    found = attributed(*args.file)
    print(json.dumps(found.to_json(), indent=1, sort_keys=True) if args.json else found)
    return found.exit_code


def _kill(args: argparse.Namespace) -> int:
    from paratrooper_ref.conformance import kill

    with Bar("killing") as bar:
        found = kill.update(args.update, bar) if args.update else kill.verify(bar)
    print(json.dumps(found.to_json(), indent=1, sort_keys=True) if args.json else found)
    return int(found.exit_code)


# --------------------------------------------------------------------------- variants


def _variants(args: argparse.Namespace) -> int:
    found = [
        v for v in (*VARIANTS.values(), *SCHEDULE_VARIANTS.values())
        if fnmatchcase(v.name, args.pattern) and args.kind in (None, v.kind)
        and (args.rule is None or args.rule in v.rules)
    ]
    faults = [f for f in FAULTS.values() if fnmatchcase(f.name, args.pattern)]
    faults = faults if args.kind in (None, "fault") and args.rule is None else []
    if not found and not faults:
        known = [*VARIANTS, *SCHEDULE_VARIANTS, *FAULTS]
        msg = f"no variant is {args.pattern!r}; {nearest(args.pattern, known)}"
        raise ValueError(msg)
    if args.json:
        rows = [*map(_row, found), *({"kind": "fault", **vars(f)} for f in faults)]
        print(json.dumps(rows, indent=1, sort_keys=True))
        return HOLDS
    for v in found:
        print(f"{v.name}  {v.kind}  of {', '.join(v.rules)}")
        for was, line in v.changes:
            print(f"    - {_indented(was)}\n    + {_indented(line) or '(left out)'}")
        print(f"    {'  '.join(v.where)}")
    for f in faults:
        print(f"{f.name}  fault\n    {f.what}\n    {f.seen}{f'  {f.link}' if f.link else ''}")
    whole = len(VARIANTS) + len(SCHEDULE_VARIANTS) + len(FAULTS)
    print(f"{len(found) + len(faults)} of {whole} variants and faults")
    return HOLDS


def _indented(line: str) -> str:
    return line.replace("\n", "\n      ")


def _row(variant: Variant) -> dict[str, Any]:
    return {
        "name": variant.name, "kind": variant.kind, "rules": list(variant.rules),
        "changes": [{"was": was, "line": line} for was, line in variant.changes],
        "seen": variant.seen, "link": variant.link, "published": variant.published._asdict(),
    }
