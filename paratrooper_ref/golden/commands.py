"""The verbs of ``paratrooper-ref golden``: list, show, generate, verify, diff, export, regenerate.

Exit status: 0 it holds, 1 a golden file is damaged or a check failed, 2 an unusable path or
argument, 3 nothing was there to check.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from paratrooper_ref.arguments import count
from paratrooper_ref.files import replacing
from paratrooper_ref.golden import text
from paratrooper_ref.golden.compare import corpora, first_difference
from paratrooper_ref.golden.content import from_content, parse
from paratrooper_ref.golden.corpus import (
    MANIFEST,
    TIERS,
    Corpus,
    Entry,
    dump_manifest,
    nearest_case,
    shipped,
    strangers,
)
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.golden.export import CONTAINERS
from paratrooper_ref.golden.shown import chosen_content, columns, listed, step_rows, summary, told
from paratrooper_ref.golden.verify import verify
from paratrooper_ref.lines import MODEL_TAGS, TAGS
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.progress import Bar
from paratrooper_ref.variants import VARIANTS

HOLDS: Final = 0
FAILED: Final = 1
NOTHING: Final = 3
TIER_CHOICES: Final = (*TIERS, "all")


def add_verbs(golden: argparse.ArgumentParser, parser_class: type[argparse.ArgumentParser]) -> Any:
    """Add the verbs to the parser of ``golden``; return them by name."""
    verbs = golden.add_subparsers(metavar="VERB", required=True, parser_class=parser_class)

    def verb(name: str, act: Callable[[argparse.Namespace], int], help: str, **more: Any) -> Any:
        said = f"{help[0].upper()}{help[1:]}."
        made = verbs.add_parser(name, help=help, description=said, **more)
        checks = name in ("generate", "verify", "diff", "regenerate")
        made.set_defaults(act=act, parser=made, checks=checks)
        return made

    made = verb("list", _list, "list the cases of the corpus, or those whose names match")
    made.add_argument("pattern", nargs="?", default="*", help="such as 'adam/*' (default: all)")
    made.add_argument("--catches", help="only those that name such a variant, as 'adam.eps*'")
    _common(made, machine=True)

    made = verb("show", _show, "show a case: what it is for, its inputs and its lines")
    made.add_argument("case", help="a case, such as adam/tiny-decimal")
    made.add_argument("--step", type=int, help="only this step, by its number t, such as 11")
    made.add_argument("--layer", help="only this layer")
    made.add_argument("--line", help="only this line, by its tag")
    _common(made, machine=True)

    made = verb(
        "generate",
        _generate,
        "prove the cases afresh and write what is not there yet; needs python-flint",
        epilog="It can be interrupted and started again; nothing is overwritten.",
    )
    made.add_argument(
        "--corpus", type=Path, default=Path("golden-corpus"), help="folder (default golden-corpus)"
    )
    made.add_argument("--tier", choices=TIER_CHOICES, default="core", help="default core")
    _jobs(made)
    made.add_argument("--json", action="store_true", help="print JSON")

    made = verb("verify", _verify, "read every byte of the corpus and hold it to the reference")
    made.add_argument(
        "--prove", action="store_true", help="compute the balls again too; needs python-flint"
    )
    _jobs(made)
    _common(made, machine=True)

    made = verb("diff", _diff, "name the first difference: step, layer, line, in units")
    made.add_argument("a", help="a case, a file, or the folder of a corpus")
    made.add_argument("b", nargs="?", help="what to compare with (default: the same in the corpus)")
    _common(made, machine=True)

    made = verb("export", _export, "copy cases into other containers, with their content digest")
    made.add_argument("case", nargs="*", help="cases or patterns (default: the core tier)")
    made.add_argument("--to", required=True, choices=[*CONTAINERS], help="the container")
    made.add_argument("--out", type=Path, default=Path("golden-export"), help="folder to write to")
    _common(made)

    made = verb("regenerate", _regenerate, "propose a changed case with a reason, or accept it")
    made.add_argument("case", nargs="*", help="cases")
    made.add_argument("--reason", help="what was wrong before")
    made.add_argument("--accept", action="store_true", help="install what has been proposed")
    _common(made)
    return verbs.choices


def _common(made: argparse.ArgumentParser, *, machine: bool = False) -> None:
    made.add_argument("--corpus", type=Path, help="folder of a corpus (default: the shipped one)")
    if machine:
        made.add_argument("--json", action="store_true", help="print JSON")


def _jobs(made: argparse.ArgumentParser) -> None:
    cores = os.cpu_count() or 1
    made.add_argument("--jobs", type=count, default=cores, help=f"processes to use ({cores})")


# --------------------------------------------------------------------------- list, show


def _list(args: argparse.Namespace) -> int:
    corpus = Corpus(args.corpus)
    manifest = corpus.manifest()
    entries = [e for e in manifest.cases.values() if fnmatchcase(e.case, args.pattern)]
    if not entries:
        known = nearest_case(args.pattern, manifest.cases)
        msg = f"no case matches {args.pattern!r}; {known}"
        raise ValueError(msg)
    rows = [listed(corpus, entry) for entry in entries]
    if args.catches is not None:
        rows = [r for r in rows if any(fnmatchcase(v, args.catches) for v in r["catches"] or ())]
        if not rows:
            known = nearest(args.catches, VARIANTS).partition("known:")[0]
            msg = f"no case names a variant that matches {args.catches!r}; {known}".rstrip("; ")
            raise ValueError(msg)
    if args.json:
        found = {"corpus": manifest.corpus, "digest": manifest.digest, "cases": rows}
        print(json.dumps(found, indent=1))
        return HOLDS
    names = ("case", "tier", "steps", "values", "catches", "about")
    table = [("case", "tier", "steps", "numbers", "catches", "about")]
    for row in rows:
        shown = row | {"catches": len(row["catches"]) if row["catches"] else ""}
        table.append(tuple(str(shown[name]) for name in names))  # type: ignore[arg-type]
    print(columns(table))
    print(f"\n{len(rows)} of {len(manifest.cases)} cases, corpus {manifest.corpus}")
    return HOLDS


def _show(args: argparse.Namespace) -> int:
    golden = _case(Corpus(args.corpus), args.case)
    steps = [step for step in golden.steps if args.step in (None, step.t)]
    _known("step", args.step, [str(step.t) for step in golden.steps], bool(steps))
    _known("layer", args.layer, golden.layers, args.layer is None or args.layer in golden.layers)
    of_layers = [step.lines[name] for step in steps for name in golden.layers]
    tags = [tag for lines in (*(step.model for step in steps), *of_layers) for tag in lines]
    _known("line", args.line, [*MODEL_TAGS, *TAGS], args.line in (None, *MODEL_TAGS, *TAGS))
    if args.line not in (None, *tags):
        there = ", ".join(dict.fromkeys(tags))
        msg = f"{golden.case} has no line {args.line} there; it has {there}"
        raise ValueError(msg)
    if args.json:
        print(json.dumps(chosen_content(golden, args.step, args.layer, args.line), indent=1))
        return HOLDS
    layers = ", ".join(f"{name} {shape}" for name, shape in golden.layers.items())
    print(f"{golden.case}: {golden.about}")
    print(f"{golden.tier} tier, {len(golden.steps)} steps, {golden.values} proved numbers")
    print(f"optimizer  {golden.optimizer}")
    print(f"layers     {layers}")
    for name, fact in (("problem", golden.problem), ("schedule", golden.schedule)):
        if fact is not None:
            print(f"{name:<10} {fact[name]} {dict(fact['arguments'])}")
    if golden.growth is not None:
        growth = max(golden.growth)
        print(f"growth     one unit of the start becomes at most {growth:.2g}, relative")
    print(f"catches    {', '.join(golden.catches)}")
    for step in steps:
        print()
        print("\n".join(step_rows(step, args.layer, args.line)))
    return HOLDS


def _known(what: str, name: Any, known: Any, found: bool) -> None:
    if not found:
        msg = f"unknown {what} {name}; {nearest(str(name), known)}"
        raise ValueError(msg)


def _case(corpus: Corpus, name: str) -> Golden:
    cases = corpus.manifest().cases
    if name not in cases:
        msg = f"unknown case {name!r}; {nearest_case(name, cases)}"
        raise ValueError(msg)
    _generated(corpus, cases[name])
    return corpus.load(cases[name])


def _generated(corpus: Corpus, entry: Entry) -> None:
    if entry.tier == "full" and not corpus.present(entry):
        how = "use golden generate --tier full, and --corpus with its folder"
        msg = f"{entry.case} is not generated in {corpus.folder}; {how}"
        raise ValueError(msg)


# --------------------------------------------------------------------------- generate, verify


def _generate(args: argparse.Namespace) -> int:
    from paratrooper_ref.golden.certify import arb
    from paratrooper_ref.golden.generate import generate

    arb()  # says what is missing before anything is made
    folder: Path = args.corpus
    _usable(folder)
    tiers = TIERS if args.tier == "all" else (args.tier,)
    with Bar("proving") as bar:
        done = generate(folder, tiers, jobs=args.jobs, progress=bar)
    for case in done.changed:
        reason = (
            "is not what is proved now; if the file is damaged delete it and generate again, "
            "if the recipe has changed use golden regenerate --reason"
        )
        sys.stderr.write(f"paratrooper-ref: {case}: {reason}\n")
    manifest, origin = done.manifest, shipped() / MANIFEST
    same = bool(manifest and origin.is_file() and origin.read_bytes() == dump_manifest(manifest))
    if args.json:
        found = {name: getattr(done, name) for name in ("written", "identical", "kept", "changed")}
        digest = manifest and manifest.digest
        print(json.dumps({**found, "digest": digest, "as_shipped": same}, indent=1))
    if manifest is None:
        return FAILED
    if args.json:
        return HOLDS
    print(
        f"{len(done.written)} cases proved and written, {len(done.identical)} proved and the same "
        f"as before, {len(done.kept)} kept, in {folder}"
    )
    print(f"corpus {manifest.corpus}, content sha256:{manifest.digest}")
    print(
        "each byte is that of the shipped corpus" if same else "the shipped corpus is another one"
    )
    return HOLDS


def _usable(folder: Path) -> None:
    """Refuse a folder that holds other things than a corpus."""
    if folder.exists() and not folder.is_dir():
        msg = f"golden needs a folder, got --corpus={folder}, a file"
        raise NotADirectoryError(msg)
    from paratrooper_ref.golden.generate import files

    others = strangers(folder, files()) if folder.exists() else []
    if others:
        msg = f"golden needs an empty folder or a corpus, got --corpus={folder} with {others[0]!r}"
        raise ValueError(msg)


def _verify(args: argparse.Namespace) -> int:
    if args.prove:
        from paratrooper_ref.golden.certify import arb

        arb()
    corpus = Corpus(args.corpus)
    what = "proving" if args.prove else "verifying"
    with Bar(what) as bar:
        report = verify(corpus, prove=args.prove, jobs=args.jobs, progress=bar)
    for error in report.errors:
        sys.stderr.write(f"paratrooper-ref: {error}\n")
    if args.json:
        print(json.dumps(summary(report, prove=args.prove), indent=1))
    else:
        print("\n".join(told(report, prove=args.prove)))
    if report.errors:
        return FAILED
    return HOLDS if report.holds else NOTHING


# --------------------------------------------------------------------------- diff


def _diff(args: argparse.Namespace) -> int:
    base = Corpus(args.corpus)
    if Path(args.a).is_dir():
        a = Corpus(Path(args.a))
        differences, same = corpora(a, Corpus(Path(args.b))) if args.b else corpora(base, a)
    else:
        one = _golden(args.a, base)
        pair = (one, _golden(args.b, base)) if args.b else (_case(base, one.case), one)
        found = first_difference(*pair)
        differences, same = ([] if found is None else [found]), int(found is None)
    if args.json:
        rows = [difference._asdict() for difference in differences]
        print(json.dumps({"same": same, "differences": rows}, indent=1))
    else:
        for difference in differences:
            print(difference)
        print(f"{same} cases are the same, {len(differences)} differ")
    if not same and not differences:
        return NOTHING
    return FAILED if differences else HOLDS


def _golden(what: str, corpus: Corpus) -> Golden:
    """Return a case by its name, or from a file: a golden file, or a proposal."""
    path = Path(what)
    if not path.is_file():
        if what not in corpus.manifest().cases and "/" not in what:
            msg = f"diff needs a case, a file or the folder of a corpus, got {what!r}"
            raise ValueError(msg)
        return _case(corpus, what)
    written = text.load(path, path.name)
    if path.suffix != ".rej":
        return parse(written, path.name)
    found = text.read(written, path.name)
    return from_content(found.get("case") if isinstance(found, dict) else None, path.name)


# --------------------------------------------------------------------------- export, regenerate


def _export(args: argparse.Namespace) -> int:
    corpus = Corpus(args.corpus)
    entries = _chosen(corpus, args.case)
    for entry in entries:  # all of them hold, or nothing is written
        corpus.load(entry)
    ending, made = CONTAINERS[args.to]
    args.out.mkdir(parents=True, exist_ok=True)
    with Bar("exporting") as bar:
        for i, entry in enumerate(entries):
            path = args.out / (entry.case.replace("/", "-") + ending)
            with replacing(path) as file:
                file.write(made(corpus.load(entry)))
            bar(i + 1, len(entries))
    print(f"{len(entries)} cases in {args.out}; derived copies, each with its content digest")
    return HOLDS


def _chosen(corpus: Corpus, patterns: Sequence[str]) -> list[Entry]:
    cases: Mapping[str, Entry] = corpus.manifest().cases
    if not patterns:
        return [entry for entry in cases.values() if entry.tier == "core"]
    chosen: dict[str, Entry] = {}
    for pattern in patterns:
        found = {name: entry for name, entry in cases.items() if fnmatchcase(name, pattern)}
        if not found:
            msg = f"no case matches {pattern!r}; {nearest_case(pattern, cases)}"
            raise ValueError(msg)
        chosen |= found
    for entry in chosen.values():
        _generated(corpus, entry)
    return list(chosen.values())


def _regenerate(args: argparse.Namespace) -> int:
    from paratrooper_ref.golden.certify import arb
    from paratrooper_ref.golden.regenerate import accept, known_entry, propose

    arb()
    corpus = Corpus(args.corpus)
    if args.accept:
        if args.reason:
            msg = "regenerate takes --reason when a case is proposed, not with --accept"
            raise ValueError(msg)
        done = accept(corpus, tuple(args.case))
        print(f"installed {', '.join(done.cases)}; the corpus is {done.corpus} now")
        return HOLDS
    if not args.case or args.reason is None:
        msg = "regenerate needs cases and --reason, or --accept"
        raise ValueError(msg)
    for case in args.case:
        known_entry(corpus, case)
    for case in args.case:
        proposal = propose(corpus, case, args.reason)
        if proposal is None:
            print(f"{case} is what is proved now; nothing to change")
        else:
            print(proposal.difference)
            print(f"wrote {proposal.file}; look at it, then use golden regenerate --accept")
    return HOLDS

