"""Judges experiments in a process of its own: what takes seconds of Python never delays a prediction."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from trading.errors import AnalysisFailed, TooManyWait

TIMEOUT_S = 120.0
# What it says last is logged, as far as this.
LAST_WORDS = 2000
# From wherever this process works: relative paths in the settings mean the same there. It is bound to its parent before
# it loads what takes long.
_PROGRAM = (
    f"import runpy, sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r}); "
    "from wiring.parent_gone import die_with; die_with(int(sys.argv[2])); "
    "runpy.run_module('wiring.analyses', run_name='__main__')"
)

# A group of its own in the session of its worker: where it is stopped before it could bind itself, the kernel ends it
# in the moment the worker is gone (POSIX.1-2017, _exit: SIGHUP to an orphaned group). uvloop knows no `process_group`.
_own_group = os.setpgrp

log = logging.getLogger("rl_service.experiments")


class Analyst:
    """Runs one command of wiring.analyses at a time, and ends it after `timeout_s` without a word from it.

    For one event loop.
    """

    def __init__(
        self, *, program: Sequence[str] = (sys.executable, "-c", _PROGRAM), timeout_s: float = TIMEOUT_S
    ) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._child: asyncio.subprocess.Process | None = None
        self._busy = False

    async def run(self, *arguments: str, heard: Callable[[], None] = lambda: None) -> bytes:
        """What a command prints. Raises TooManyWait while another runs, AnalysisFailed when it fails or hangs.

        `heard` is called whenever it tells how far it is. It does not outlive this process, nor the caller who is
        cancelled.
        """
        if self._busy:
            raise TooManyWait("another analysis runs")
        self._busy = True
        try:
            return await self._run(arguments, heard)
        finally:
            self._busy = False

    async def stop(self) -> None:
        """End what runs."""
        if self._child is not None:
            _kill(self._child)

    async def _run(self, arguments: Sequence[str], heard: Callable[[], None]) -> bytes:
        command = (*self._program, "--parent", str(os.getpid()), *arguments)
        pipe = asyncio.subprocess.PIPE
        try:
            child = self._child = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, preexec_fn=_own_group
            )
        except OSError as error:
            raise AnalysisFailed(f"cannot begin: {error.strerror}") from error
        try:
            said, words = await self._listen(child, heard)
        except TimeoutError:
            raise AnalysisFailed(f"neither done nor further within {self._timeout_s:g} s") from None
        finally:
            self._child = None
            _kill(child)
            await child.wait()
        if child.returncode != 0:
            log.warning("the analysis %s failed: %s", " ".join(arguments), words)
            raise AnalysisFailed(words.splitlines()[-1] if words else f"ended with {child.returncode}")
        return said

    async def _listen(self, child: asyncio.subprocess.Process, heard: Callable[[], None]) -> tuple[bytes, str]:
        # All that it prints, and its last words. What it prints is short: only its words tell that it goes on.
        stdout, stderr = cast(asyncio.StreamReader, child.stdout), cast(asyncio.StreamReader, child.stderr)
        loop, words = asyncio.get_running_loop(), b""
        async with asyncio.timeout(self._timeout_s) as limit, asyncio.TaskGroup() as group:
            printed = group.create_task(stdout.read())
            while more := await stderr.read(LAST_WORDS):
                words = (words + more)[-LAST_WORDS:]
                limit.reschedule(loop.time() + self._timeout_s)
                heard()
            said = await printed
            await child.wait()
        return said, words.decode(errors="replace").strip()


def _kill(child: asyncio.subprocess.Process) -> None:
    # Its group: it may have begun others. One that has ended is no more.
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
