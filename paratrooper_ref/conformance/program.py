"""A program that answers: one JSON object a line, each in its time, and nothing left behind.

What it is asked is not known here.  Pipes cannot be waited for with a limit everywhere, so a
thread writes a request and reads the answer, and another one reads what the program complains
about; both end with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any, Final

from paratrooper_ref.conformance.backend import Unsupported
from paratrooper_ref.conformance.watch import HungError

MOST: Final = 1 << 16  # bytes of an answer, beside the arrays that were asked for
TAIL: Final = 2000  # bytes of complaints that are worth repeating
GRACE: Final = 1.0  # seconds to go in peace
POSIX: Final = os.name == "posix"

Request = tuple[bytes, int]


class ProcessError(RuntimeError):
    """A program did not keep to the protocol, or is no more."""


class ReportedError(ProcessError):
    """A program answered that it has failed; it goes on."""


class Program:
    """A running program.

    Parameters
    ----------
    words : sequence of str
        The program and its arguments.
    env, cwd
        As `subprocess.Popen` has them.

    Raises
    ------
    ProcessError
        If it cannot be started.
    """

    def __init__(
        self, words: Sequence[str], *, env: Mapping[str, str] | None, cwd: str | None
    ) -> None:
        self.name = words[0]
        self.ended = False
        self._seq = 0
        self._owner = os.getpid()
        # NOTE: a group of its own, so that what it starts itself can be ended with it.
        group: dict[str, Any] = (
            {"start_new_session": True}
            if POSIX
            else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        )
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                words, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=cwd, **group
            )
        except (OSError, ValueError) as error:
            msg = f"{self.name} cannot be started: {error}"
            raise ProcessError(msg) from None
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._answers: SimpleQueue[bytes] = SimpleQueue()
        self._tail = bytearray()
        spoken = (self._process, self._requests, self._answers)
        threading.Thread(target=_converse, args=spoken, daemon=True).start()
        complaints = (self._process.stderr, self._tail)
        self._drain = threading.Thread(target=_drain, args=complaints, daemon=True)
        self._drain.start()

    def ask(
        self, verb: str, members: Mapping[str, Any], timeout: float, most: int = MOST
    ) -> dict[str, Any]:
        """Return the members of the answer to a request, without its number.

        Raises
        ------
        Unsupported, ReportedError
            If that is the answer.
        HungError
            If none comes in time; the program is killed.
        ProcessError
            If it is no answer, or the program has ended; it is killed.
        """
        if self.ended:
            msg = f"{self.name} has ended, so it cannot be asked to {verb}; start anew"
            raise ProcessError(msg)
        request = self._request(verb, members)
        when = f"asked to {verb} (seq {self._seq})"
        self._requests.put((request, most))
        try:
            line = self._answers.get(timeout=timeout)
        except Empty:
            self.kill()
            msg = f"{self.name}, {when}, did not answer within {timeout:g} s{self._after()}"
            raise HungError(msg) from None
        except BaseException:  # interrupted in the middle of a conversation
            self.kill()
            raise
        try:
            answer = _parsed(line, most, self._seq)
        except EOFError as error:
            fate = self._fate()
            self.kill()
            msg = f"{self.name}, {when}, {fate}{error}{self._complaints()}"
            raise ProcessError(msg) from None
        except ValueError as error:
            self.kill()
            msg = f"{self.name}, {when}, {error}{self._complaints()}"
            raise ProcessError(msg) from None
        for key, kind in (("unsupported", Unsupported), ("error", ReportedError)):
            if key in answer:
                text = answer[key]
                raise kind(text if isinstance(text, str) else json.dumps(text))
        return answer

    def close(self) -> None:
        """Ask the program to stop, and see that it does; in the end it is killed."""
        if self.ended or os.getpid() != self._owner:  # a fork ends, not its parent's program
            return
        self.ended = True
        self._requests.put((self._request("stop", {}), MOST))
        with suppress(Empty):
            self._answers.get(timeout=GRACE)
            self._requests.put(None)  # its input ends
            if self._exited():
                self._sweep()
                return
        self._signal("SIGTERM")
        self._exited()
        self._sweep()

    def kill(self) -> None:
        """End the program and all that it has started."""
        self.ended = True
        self._sweep()

    def _request(self, verb: str, members: Mapping[str, Any]) -> bytes:
        self._seq += 1
        asked = {"seq": self._seq, "verb": verb, **members}
        return json.dumps(asked, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"

    def _signal(self, name: str) -> None:
        with suppress(OSError):  # it has gone by itself
            if POSIX:
                os.killpg(self._process.pid, getattr(signal, name))
            elif name == "SIGTERM":
                self._process.terminate()
            else:
                self._process.kill()

    def _exited(self) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
            return True
        return False

    def _sweep(self) -> None:
        """End all that is left of the program, and the threads that speak to it."""
        # NOTE: the number of its group stays taken for as long as anybody is left in it.
        self._signal("SIGKILL")
        self._process.wait()
        self._requests.put(None)
        self._drain.join(GRACE)

    def _fate(self) -> str:
        """Return what has become of a program that says no more."""
        if not self._exited():
            return "closed its output"
        status = self._process.returncode
        if status < 0:
            return f"was ended by signal {-status} ({signal.strsignal(-status)})"
        return f"exited with status {status}"

    def _after(self) -> str:
        """Return what a program that was killed had said."""
        with suppress(Empty):
            line = self._answers.get(timeout=GRACE)
            if line:
                return f"; it had begun {_shown(line)}{self._complaints()}"
        return self._complaints()

    def _complaints(self) -> str:
        said = bytes(self._tail).decode("utf-8", "replace").strip()
        return f"; its standard error ends in:\n{said}" if said else ""


def _converse(
    process: subprocess.Popen[bytes],
    requests: SimpleQueue[Request | None],
    answers: SimpleQueue[bytes],
) -> None:
    """Write requests and read the line that answers each, until there are no more."""
    assert process.stdin is not None
    assert process.stdout is not None
    for request, most in iter(requests.get, None):
        with suppress(OSError, ValueError):  # it does not listen; what it says comes next
            process.stdin.write(request)
            process.stdin.flush()
        try:
            answers.put(process.stdout.readline(most + 1))
        except (OSError, ValueError):
            answers.put(b"")
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            pipe.close()


def _drain(pipe: IO[bytes], tail: bytearray) -> None:
    """Read complaints as they come, so that nobody waits for us, and keep the last."""
    with pipe, suppress(OSError, ValueError):
        for chunk in iter(lambda: pipe.read1(TAIL), b""):  # type: ignore[attr-defined]
            tail += chunk
            del tail[:-TAIL]


def _parsed(line: bytes, most: int, seq: int) -> dict[str, Any]:
    """Return the answer that a line holds, without its number.

    Raises
    ------
    EOFError
        If the program ended before the line did.
    ValueError
        If it is no answer, or that to another request.
    """
    if not line.endswith(b"\n"):
        if len(line) > most:
            msg = f"answered with a line of more than {most} bytes: {_shown(line)}"
            raise ValueError(msg)
        raise EOFError(f" in the middle of the line {_shown(line)}" if line else "")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"answered what is not UTF-8, at byte {error.start}: {_shown(line)}"
        raise ValueError(msg) from None
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        msg = f"answered what is no JSON object ({error}): {_shown(line)}"
        raise ValueError(msg) from None
    if not isinstance(found, dict):
        msg = f"answered what is no JSON object: {_shown(line)}"
        raise ValueError(msg)
    number = found.pop("seq", None)
    if type(number) is not int or number != seq:
        msg = f"answered with seq {json.dumps(number)}: {_shown(line)}"
        raise ValueError(msg)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found


def _no_number(name: str) -> Any:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _shown(line: bytes) -> str:
    return repr(line if len(line) <= 100 else line[:100] + b"...")[1:]
