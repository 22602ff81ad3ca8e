"""Judges experiments in a process of its own: what takes seconds of Python never delays a prediction."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

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

log = logging.getLogger("rl_service.experiments")


class Analyst:
    """Runs one command of wiring.analyses at a time. For one event loop."""

    def __init__(
        self, *, program: Sequence[str] = (sys.executable, "-c", _PROGRAM), timeout_s: float = TIMEOUT_S
    ) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._child: asyncio.subprocess.Process | None = None
        self._busy = False

    async def run(self, *arguments: str) -> bytes:
        """What a command prints. Raises TooManyWait while another runs, AnalysisFailed when it fails or is too late.

        It does not outlive this process, nor the caller who is cancelled.
        """
        if self._busy:
            raise TooManyWait("another analysis runs")
        self._busy = True
        try:
            return await self._run(arguments)
        finally:
            self._busy = False

    async def stop(self) -> None:
        """End what runs."""
        if self._child is not None:
            _kill(self._child)

    async def _run(self, arguments: Sequence[str]) -> bytes:
        command = (*self._program, "--parent", str(os.getpid()), *arguments)
        pipe = asyncio.subprocess.PIPE
        try:
            child = self._child = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise AnalysisFailed(f"cannot begin: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                said, complained = await child.communicate()
        except TimeoutError:
            raise AnalysisFailed(f"not done within {self._timeout_s:g} s") from None
        finally:
            self._child = None
            _kill(child)
            await child.wait()
        if child.returncode != 0:
            words = complained.decode(errors="replace").strip()[-LAST_WORDS:]
            log.warning("the analysis %s failed: %s", " ".join(arguments), words)
            raise AnalysisFailed(words.splitlines()[-1] if words else f"ended with {child.returncode}")
        return said


def _kill(child: asyncio.subprocess.Process) -> None:
    # Its session: it may have begun others. One that has ended is no more.
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
