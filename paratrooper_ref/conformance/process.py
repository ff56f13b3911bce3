"""Programs in any language as backends; docs/process-protocol.md is the page for their authors."""

from __future__ import annotations

import itertools
import math
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np

from paratrooper_ref.conformance.backend import (
    Array,
    Grads,
    Params,
    Spec,
    Unsupported,
    optimizer_of,
)
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.program import MOST, ProcessError, Program
from paratrooper_ref.conformance.words import DIGITS, from_words, to_words
from paratrooper_ref.golden.bits import to_hex
from paratrooper_ref.golden.content import plain
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.state import STORED

PROTOCOL: Final = "paratrooper-ref process 1"
OPTIONAL: Final = ("probe", "reload")  # verbs
NAMED: Final = 64  # bytes of a line's name, and what stands about it


class Handle:
    """An optimizer in a program, which may forget it when this is gone."""

    def __init__(
        self, program: Program, number: int, optimizer: Optimizer, params: Params
    ) -> None:
        self.program, self.number, self.optimizer = program, number, optimizer
        self.shapes = {name: np.shape(x) for name, x in params.items()}

    @property
    def elements(self) -> int:
        """How many numbers the parameters are."""
        return sum(math.prod(shape) for shape in self.shapes.values())


class ProcessBackend:
    """A program that speaks the protocol, as a backend.

    It is started when it is first needed, and again after it had to be killed.  A with block
    stops it at the end; so does the collection of this object, and the end of Python.

    Parameters
    ----------
    cmd : sequence of str or path
        The program and its arguments; no shell is involved.
    timeout : float
        Seconds for each answer; the first one includes the time to start.
    profile : Profile, optional
        The declared arithmetic; what the program says of itself if None.
    name : str, optional
        Stands in reports; what the program says of itself if None.
    env : mapping of str to str, optional
        The environment, instead of this process's.
    cwd : str or path, optional
        The folder to run in.

    Attributes
    ----------
    probe, reload
        Methods as in `Backend`, where the program says that it knows these verbs.

    Raises
    ------
    ProcessError
        From any method: the program could not be started, has ended, or has not kept to the
        protocol, and was killed; the message says what came, and how its standard error ends.
    ReportedError
        From any method: the program answered with an error, which is the message.
    HungError
        From any method, a TimeoutError: no answer came in time; the program was killed.
    """

    def __init__(
        self,
        cmd: Sequence[str | os.PathLike[str]],
        *,
        timeout: float = 10.0,
        profile: Profile | None = None,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        given: object = cmd
        if isinstance(given, (str, bytes, os.PathLike)) or not len(cmd):
            msg = f"ProcessBackend needs a list of words, as in ['./runner'], got cmd={cmd!r}"
            raise TypeError(msg)
        if not timeout > 0:
            msg = f"ProcessBackend needs a timeout > 0, got timeout={timeout!r}"
            raise ValueError(msg)
        self.timeout = timeout
        self._words = [os.fspath(word) for word in cmd]
        self._profile, self._name = profile, name
        self._env = None if env is None else dict(env)
        self._cwd = None if cwd is None else os.fspath(cwd)
        self._lock = threading.RLock()
        self._program: Program | None = None
        self._hello: dict[str, Any] = {}
        self._ids = itertools.count(1)
        self._forgotten: deque[int] = deque()  # its append may interrupt anything

    def __repr__(self) -> str:
        return f"ProcessBackend({self._words!r})"

    def __copy__(self) -> Self:
        """Return a backend with a program of its own."""
        return type(self)(
            self._words, timeout=self.timeout, profile=self._profile, name=self._name,
            env=self._env, cwd=self._cwd,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """What stands in reports."""
        return str(self._name if self._name is not None else self._said("name"))

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def profile(self) -> Profile:
        """The arithmetic that is declared."""
        if self._profile is None:
            with self._lock:
                self._profile = self._declared(self._said("profile"))
        return self._profile

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self._profile = profile

    @property
    def probe(self) -> Callable[[Handle], dict[str, dict[str, Array]]]:
        """The method, where the program knows the verb."""
        self._knows("probe")
        return self._probe

    @property
    def reload(self) -> Callable[[Handle], Handle]:
        """The method, where the program knows the verb."""
        self._knows("reload")
        return self._reload

    def start(
        self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None
    ) -> Handle:
        """Return a handle of an optimizer; see `Backend.start`."""
        optimizer = optimizer_of(spec)
        if state is not None and not self.profile.inject:
            msg = f"{self.name} does not take over a state"
            raise Unsupported(msg)
        given = {} if state is None else state
        stored = {slot: given[slot] for slot in optimizer.slots() if slot in given}
        with self._lock:
            layers = [
                {
                    "name": name,
                    "shape": list(np.shape(x)),
                    "hyper": plain(optimizer.hyper(name)),
                    "theta": self._words_of("theta", x),
                    **{slot: self._words_of(slot, stored[slot][name]) for slot in stored},
                }
                for name, x in params.items()
            ]
            program = self._running()
            while self._forgotten:
                self._ask(program, "drop", {"id": self._forgotten.popleft()})
            number = next(self._ids)
            asked = {
                "id": number,
                "spec": plain(optimizer.spec),
                "t": int(given.get("t", 0)),
                "warmup": given.get("warmup"),
                "layers": layers,
            }
            self._ask(program, "start", asked)
            return self._handle(program, number, optimizer, params)

    def step(self, handle: Handle, grads: Grads, lr: float) -> None:
        """Take a step; see `Backend.step`."""
        layers = [
            {
                "lr": to_hex(handle.optimizer.rate(lr, name)),
                "g": None if grads[name] is None else self._words_of("g", grads[name]),
            }
            for name in handle.shapes
        ]
        asked = {"id": handle.number, "lr": to_hex(lr), "layers": layers}
        with self._lock:
            self._ask(handle.program, "step", asked)

    def read(self, handle: Handle) -> dict[str, dict[str, Array]]:
        """Return parameters and slots; see `Backend.read`."""
        found: dict[str, dict[str, Array]] = {}
        for name, written in self._layers(handle, "read", len(STORED)).items():
            for slot, words in written.items():
                if slot not in STORED:
                    raise self._broken(slot, "read", f"knows the slots {STORED}")
                shape, dtype = handle.shapes[name], self.profile.stored(slot).name
                found.setdefault(slot, {})[name] = self._numbers("read", words, dtype, shape)
        return found

    def close(self) -> None:
        """Stop the program; whoever starts an optimizer starts it again."""
        with self._lock:
            if self._program is not None:
                self._program.close()

    def _probe(self, handle: Handle) -> dict[str, dict[str, Array]]:
        """Return tagged lines of the step just taken; see `Backend.probe`."""
        found: dict[str, dict[str, Array]] = {}
        for name, written in self._layers(handle, "probe", len(TAGS)).items():
            found[name] = {}
            for tag, line in written.items():
                if tag not in TAGS:
                    raise self._broken(tag, "probe", "knows the tags of lines")
                if isinstance(line, bool):
                    found[name][tag] = np.asarray(line)
                    continue
                shape = handle.shapes[name] if TAGS[tag].extent == "element" else ()
                digits = len(str(line).partition(" ")[0])  # a line may be wider than it is stored
                widths = {DIGITS[d]: d for d in ("float64", "float32", self.profile.dtype)}
                dtype = widths.get(digits, self.profile.dtype)
                found[name][tag] = self._numbers("probe", line, dtype, shape)
        return found

    def _reload(self, handle: Handle) -> Handle:
        """Save and load; see `Backend.reload`."""
        with self._lock:
            self._ask(handle.program, "reload", {"id": handle.number})
        return handle

    def _running(self) -> Program:
        """Return the program, started and greeted."""
        with self._lock:
            if self._program is None or self._program.ended:
                self._program = program = Program(self._words, env=self._env, cwd=self._cwd)
                weakref.finalize(self, program.close)
                self._forgotten.clear()  # together with the program that knew them
                try:
                    self._hello = self._greeted(program)
                except BaseException:
                    program.kill()
                    raise
            return self._program

    def _greeted(self, program: Program) -> dict[str, Any]:
        hello = self._ask(
            program, "hello", {"protocol": PROTOCOL},
            needs=("protocol", "name"), takes=("profile", "verbs"),
        )
        if hello["protocol"] != PROTOCOL:
            raise self._broken(hello["protocol"], "hello", f"speaks {PROTOCOL!r}")
        if not isinstance(hello["name"], str):
            raise self._broken(hello["name"], "hello", "has a name that is a string")
        verbs = hello.setdefault("verbs", [])
        if not isinstance(verbs, list) or any(verb not in OPTIONAL for verb in verbs):
            raise self._broken(verbs, "hello", f"has some of the verbs {OPTIONAL}")
        return hello

    def _declared(self, said: Any) -> Profile:
        if said is None:
            msg = f"{self!r} needs a profile, the program declares none; give profile=Profile(...)"
            raise ProcessError(msg)
        try:
            return Profile(**said)
        except (TypeError, ValueError) as error:
            raise self._broken(said, "hello", f"has a profile ({error})") from None

    def _said(self, key: str) -> Any:
        """Return what the program says of itself."""
        with self._lock:
            if not self._hello:
                self._running()
            return self._hello.get(key)

    def _knows(self, verb: str) -> None:
        if verb not in self._said("verbs"):
            msg = f"{self!r} has no {verb}: the program does not know the verb"
            raise AttributeError(msg)

    def _ask(
        self,
        program: Program,
        verb: str,
        asked: Mapping[str, Any],
        *,
        needs: tuple[str, ...] = (),
        takes: tuple[str, ...] = (),
        most: int = MOST,
    ) -> dict[str, Any]:
        answer = program.ask(verb, asked, self.timeout, most)
        missing = [key for key in needs if key not in answer]
        others = [key for key in answer if key not in (*needs, *takes)]
        if missing or others:
            members = ("seq", *needs)
            raise self._broken(("seq", *answer), verb, f"has the members {members}")
        return answer

    def _handle(
        self, program: Program, number: int, optimizer: Optimizer, params: Params
    ) -> Handle:
        handle = Handle(program, number, optimizer, params)
        # NOTE: collection comes at any time, and in any thread: the program is told later.
        weakref.finalize(handle, _forget, program, self._forgotten, number)
        return handle

    def _layers(self, handle: Handle, verb: str, lines: int) -> dict[str, dict[str, Any]]:
        """Return the answer's members by layer; it may hold so many lines of all elements."""
        with self._lock:
            each = (max(DIGITS.values()) + 1) * handle.elements + NAMED * len(handle.shapes)
            most = MOST + lines * each
            asked = {"id": handle.number}
            answer = self._ask(handle.program, verb, asked, needs=("layers",), most=most)
        layers = answer["layers"]
        if not isinstance(layers, list) or len(layers) != len(handle.shapes):
            raise self._broken(layers, verb, f"has a list of {len(handle.shapes)} layers")
        for layer in layers:
            if not isinstance(layer, dict):
                raise self._broken(layer, verb, "has an object for each layer")
        return dict(zip(handle.shapes, layers, strict=True))

    def _numbers(self, verb: str, words: Any, dtype: str, shape: tuple[int, ...]) -> Array:
        try:
            if not isinstance(words, str):
                msg = "numbers are in a string"
                raise ValueError(msg)
            return from_words(words, dtype).reshape(shape)
        except ValueError as error:
            needs = f"has {math.prod(shape)} numbers of {dtype} ({error})"
            raise self._broken(words, verb, needs) from None

    def _words_of(self, slot: str, x: Any) -> str:
        return to_words(x, self.profile.stored(slot).name)

    def _broken(self, got: Any, verb: str, needs: str) -> ProcessError:
        shown = repr(got)
        shown = shown if len(shown) <= 100 else shown[:100] + "..."
        return ProcessError(f"{self._words[0]}: the answer to {verb} {needs}, got {shown}")


def _forget(program: Program, forgotten: deque[int], number: int) -> None:
    if not program.ended:
        forgotten.append(number)
