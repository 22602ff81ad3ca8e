"""Workers that die or hang are replaced, and who is told to end ends: inside BentoML's own supervisor."""

import atexit
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from adapters.metric_files import bury
from trading.errors import OperatorNeeded
from wiring.drain import LAME_DUCK_S, SHUT_S
from wiring.heartbeat import Board, create_board
from wiring.port import shut, turn_away

LOOK_S = 0.25
LOOK_WHILE_ENDING_S = 0.05
# A worker that has not beaten for so long hangs; one that never has may still be starting.
HUNG_S = 6.0
START_S = 60.0
# A worker that ends by itself sooner than this after its start will not do better at once the next time.
YOUNG_S = 5.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
# Who is still there so long after its grace is ended.
LAST_S = 1.5
API_SOCKET = "_bento_api_server"
# What BentoML calls the workers that answer requests; the others are runners.
ENTRY = "service"

log = logging.getLogger("rl_service.guard")


class Watcher(Protocol):
    """The part of circus' Watcher that counts: the processes of one command."""

    name: str
    respawn: bool
    stop_signal: int
    env: Mapping[str, str]
    processes: Mapping[int, object]

    def is_stopping(self) -> bool:
        """True while its processes are asked to end."""


class Arbiter(Protocol):
    """The part of circus' Arbiter that counts."""

    watchers: Sequence[Watcher]
    sockets: Mapping[str, socket.socket]
    _exclusive_running_command: str | None

    def manage_watchers(self) -> object:
        """Reap the dead and start as many as are missing."""


@dataclass(slots=True, kw_only=True)
class Life:
    """What is known of one process: since when, its last beat, and for how long it has not changed."""

    born_s: float
    beat_s: float | None = None
    still_s: float = 0.0
    killed: bool = False


@dataclass(slots=True, kw_only=True)
class Patience:
    """With a command whose processes end young: how many in a row, and not before when the next is started."""

    young: int = 0
    until_s: float = float("-inf")


class Guard:
    """Looks after the processes of an arbiter. Time asleep (a frozen container) counts for nobody's silence."""

    def __init__(
        self,
        arbiter: Arbiter,
        board: Board,
        *,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
        kill: Callable[[int, int], None] = os.kill,
        ended: Callable[[int], int | None] | None = None,
    ) -> None:
        self._arbiter = arbiter
        self._board = board
        self._last_s = grace_s + LAST_S
        self._clock = clock
        self._kill = kill
        self._ended = ended or exit_of
        self._lives: dict[int, Life] = {}
        self._patience: dict[str, Patience] = {}
        self._unburied: set[int] = set()
        self._looked_s = clock()
        self._told_s: float | None = None
        self._runners_told: set[int] = set()
        # What is still to be done to the port, and when; seconds since this process was told to end.
        self._port_steps = [(LAME_DUCK_S, turn_away), (SHUT_S, shut)]
        for watcher in arbiter.watchers:
            # Without this, BentoML inside a container leaves the dead dead.
            watcher.respawn = True
            if watcher.name != ENTRY:
                # circus tells all at once to end; runners are still needed, and told once the workers are gone.
                watcher.stop_signal = signal.SIGCONT

    @property
    def ending(self) -> bool:
        """True while circus waits for its workers to end."""
        return any(watcher.is_stopping() for watcher in self._arbiter.watchers)

    def told(self) -> None:
        """This process is to end: from now the time runs."""
        if self._told_s is None:
            self._told_s = self._clock()

    def look(self) -> float:
        """Look once and do what is needed; the seconds until the next look."""
        now_s = self._clock()
        awake_s = min(now_s - self._looked_s, 2 * LOOK_S)
        self._looked_s = now_s
        if self.ending:
            self.told()
            self._see_out(now_s)
            return LOOK_WHILE_ENDING_S
        self._replace_dead(now_s)
        self._end_hung(awake_s)
        self._bury()
        return LOOK_S

    def _replace_dead(self, now_s: float) -> None:
        wanted = False
        for watcher in self._arbiter.watchers:
            patience = self._patience.setdefault(watcher.name, Patience())
            for pid in watcher.processes:
                life = self._lives.setdefault(pid, Life(born_s=now_s))
                status = self._ended(pid)
                if status is None:
                    continue
                if pid not in self._unburied:
                    self._unburied.add(pid)
                    _note_end(watcher.name, pid, status, now_s - life.born_s, patience, now_s)
                wanted = wanted or now_s >= patience.until_s
        if wanted and self._arbiter._exclusive_running_command is None:
            self._arbiter.manage_watchers()

    def _end_hung(self, awake_s: float) -> None:
        beats = self._board.beats()
        for pid in [pid for watcher in self._arbiter.watchers for pid in watcher.processes]:
            life = self._lives.setdefault(pid, Life(born_s=self._looked_s))
            beat_s = beats.get(pid)
            if beat_s != life.beat_s:
                life.beat_s, life.still_s = beat_s, 0.0
                continue
            life.still_s += awake_s
            if life.still_s > (START_S if beat_s is None else HUNG_S) and not life.killed:
                log.error("worker %d has not answered for %.0f s: it is ended", pid, life.still_s)
                life.killed = True
                self._kill(pid, signal.SIGKILL)

    def _bury(self) -> None:
        living = {pid for watcher in self._arbiter.watchers for pid in watcher.processes}
        for pid in self._unburied - living:
            folder = next((w.env.get("PROMETHEUS_MULTIPROC_DIR") for w in self._arbiter.watchers), None)
            if folder is None or bury(Path(folder), pid):
                self._unburied.discard(pid)
                self._lives.pop(pid, None)

    def _see_out(self, now_s: float) -> None:
        ending_s = now_s - (now_s if self._told_s is None else self._told_s)
        while self._port_steps and ending_s >= self._port_steps[0][0]:
            _, step = self._port_steps.pop(0)
            try:
                step(self._arbiter.sockets[API_SOCKET])
            except OSError as error:
                log.warning("while the port is closed, some clients may be cut off: %s", error)
        alive = {w.name: [pid for pid in w.processes if self._ended(pid) is None] for w in self._arbiter.watchers}
        if not alive.get(ENTRY):
            for pid in {pid for pids in alive.values() for pid in pids} - self._runners_told:
                self._runners_told.add(pid)
                self._kill(pid, signal.SIGTERM)
        if ending_s >= self._last_s:
            for pid in [pid for pids in alive.values() for pid in pids]:
                log.error("worker %d does not end: it is ended", pid)
                self._kill(pid, signal.SIGKILL)


def _note_end(name: str, pid: int, status: int, lived_s: float, patience: Patience, now_s: float) -> None:
    own_end = status not in (-signal.SIGKILL, -signal.SIGTERM)
    if own_end and lived_s < YOUNG_S:
        pause_s = min(FIRST_PAUSE_S * 2**patience.young, LONGEST_PAUSE_S)
        patience.young += 1
        patience.until_s = now_s + pause_s
        log.error("worker %d of %s ended with %d after %.1f s; the next in %.2f s", pid, name, status, lived_s, pause_s)
    else:
        patience.young = 0
        log.warning("worker %d of %s ended with %d: another is started", pid, name, status)


def exit_of(pid: int) -> int | None:
    """How a child ended (exit code, or minus the signal), None while it runs; it stays to be reaped."""
    try:
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0  # reaped already
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def start_guard(folder: Path, *, grace_s: float) -> None:
    """Guard the workers that BentoML is about to start in this process, from when its loop runs.

    To be called last before that: whoever runs an event loop of their own afterwards leaves BentoML another one.
    """
    from tornado.ioloop import IOLoop  # the workers import this module too

    board = create_board(folder, os.getpid())
    atexit.register(board.remove)
    loop = IOLoop.current()

    def begin() -> None:
        circus, arbiter = circus_of_this_process()
        guard = Guard(arbiter, board, grace_s=grace_s)
        told: list[int] = []

        def tell(number: int, frame: FrameType | None) -> None:
            told.append(number)
            guard.told()
            circus(number, frame)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, tell)

        def look() -> None:
            pause_s = LOOK_S
            try:
                if told and not guard.ending:
                    circus(told[0], None)  # circus forgets a signal that comes while it starts a process
                pause_s = guard.look()
            finally:
                loop.call_later(pause_s, look)

        look()

    loop.add_callback(begin)


def circus_of_this_process() -> tuple[Callable[[int, FrameType | None], object], Arbiter]:
    """What circus does on a signal, and its arbiter. Raises OperatorNeeded where circus does not supervise."""
    handler = signal.getsignal(signal.SIGTERM)
    controller = getattr(getattr(handler, "__self__", None), "controller", None)
    if controller is None or not callable(handler):
        raise OperatorNeeded("this version of BentoML is not supervised by circus: dead workers would not be replaced")
    return handler, controller.arbiter
