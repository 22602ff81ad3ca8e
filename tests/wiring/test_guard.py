"""What the guard does to processes it sees die, hang or refuse to end."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trading.errors import OperatorNeeded
from wiring.drain import LAME_DUCK_S, SHUT_S
from wiring.guard import (
    API_SOCKET,
    ENTRY,
    HUNG_S,
    LAST_S,
    LONGEST_PAUSE_S,
    LOOK_S,
    START_S,
    YOUNG_S,
    Guard,
    circus_of_this_process,
    exit_of,
)

GRACE_S = 20.0


@dataclass
class FakeBoard:
    """What wiring.heartbeat.Board shows."""

    last: dict[int, float] = field(default_factory=dict)

    def beats(self) -> Mapping[int, float]:
        return dict(self.last)


@dataclass
class FakeWatcher:
    """Keeps wiring.guard.Watcher."""

    name: str = ENTRY
    respawn: bool = False
    stop_signal: int = signal.SIGTERM
    env: dict[str, str] = field(default_factory=dict)
    processes: dict[int, object] = field(default_factory=dict)
    stopping: bool = False

    def is_stopping(self) -> bool:
        return self.stopping


@dataclass
class FakeArbiter:
    """Keeps wiring.guard.Arbiter: starts a new process for each that ended, with the next number."""

    watchers: list[FakeWatcher]
    sockets: dict[str, socket.socket]
    status: dict[int, int] = field(default_factory=dict)
    managed: int = 0
    _exclusive_running_command: str | None = None

    def manage_watchers(self) -> object:
        self.managed += 1
        for watcher in self.watchers:
            for pid in [pid for pid in watcher.processes if pid in self.status]:
                del watcher.processes[pid]
                watcher.processes[pid + 100] = object()
        return None


@dataclass
class House:
    """A guard over two workers, a clock that the test moves, and what was killed."""

    arbiter: FakeArbiter
    board: FakeBoard = field(default_factory=FakeBoard)
    now_s: float = 1000.0
    killed: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = Guard(
            self.arbiter,
            self.board,  # type: ignore[arg-type]
            grace_s=GRACE_S,
            clock=lambda: self.now_s,
            kill=lambda pid, number: self.killed.append((pid, number)),
            ended=self.arbiter.status.get,
        )

    def pass_time(self, seconds: float, *, beating: bool = True) -> None:
        """Look as often as the guard asks to, for so long."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            if beating:
                self.board.last = {pid: self.now_s for watcher in self.arbiter.watchers for pid in watcher.processes}
            self.now_s += self.guard.look()


@pytest.fixture
def house() -> Iterator[House]:
    with socket.create_server(("127.0.0.1", 0)) as port:
        workers = FakeWatcher(processes={1: object(), 2: object()})
        runners = FakeWatcher(name="service_rl_policy", processes={9: object()})
        yield House(FakeArbiter([workers, runners], {API_SOCKET: port}))


def test_dead_workers_are_replaced_even_where_bentoml_would_not(house: House) -> None:
    assert all(watcher.respawn for watcher in house.arbiter.watchers)
    house.pass_time(1)
    assert house.arbiter.managed == 0
    house.arbiter.status[1] = -signal.SIGKILL
    house.pass_time(2 * LOOK_S)
    assert house.arbiter.managed == 1
    assert set(house.arbiter.watchers[0].processes) == {2, 101}


def test_while_circus_is_at_work_it_is_left_alone(house: House) -> None:
    house.arbiter.status[1] = -signal.SIGKILL
    house.arbiter._exclusive_running_command = "manage_watchers"
    house.pass_time(1)
    assert house.arbiter.managed == 0
    house.arbiter._exclusive_running_command = None
    house.pass_time(LOOK_S)
    assert house.arbiter.managed == 1


def test_a_worker_that_ends_young_by_itself_again_and_again_is_started_ever_more_slowly(house: House) -> None:
    pauses = []
    for _ in range(8):
        (pid,) = set(house.arbiter.watchers[0].processes) - {2}
        house.pass_time(1)
        house.arbiter.status[pid] = 1
        ended_s = house.now_s
        while pid in house.arbiter.watchers[0].processes:
            house.pass_time(LOOK_S)
        pauses.append(house.now_s - ended_s)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1.0
    assert LONGEST_PAUSE_S <= pauses[-1] <= LONGEST_PAUSE_S + 3 * LOOK_S


def test_workers_killed_from_outside_are_replaced_at_once_however_young(house: House) -> None:
    for _ in range(8):
        (pid,) = set(house.arbiter.watchers[0].processes) - {2}
        house.arbiter.status[pid] = -signal.SIGKILL
        house.pass_time(2 * LOOK_S)
        assert pid not in house.arbiter.watchers[0].processes


def test_after_one_that_lived_longer_the_patience_begins_anew(house: House) -> None:
    for lived_s, pid in ((1, 1), (1, 101), (YOUNG_S + 1, 201), (1, 301)):
        house.pass_time(lived_s)
        house.arbiter.status[pid] = 1
        house.pass_time(3 * LOOK_S)
    assert 401 in house.arbiter.watchers[0].processes


def test_a_worker_whose_beat_stands_still_is_ended_once(house: House) -> None:
    house.pass_time(1)
    house.pass_time(HUNG_S - 1, beating=False)
    assert house.killed == []
    house.pass_time(3, beating=False)
    assert sorted(house.killed) == [(pid, signal.SIGKILL) for pid in (1, 2, 9)]


def test_one_that_never_beat_has_time_to_start(house: House) -> None:
    house.pass_time(START_S - 1, beating=False)
    assert house.killed == []
    house.pass_time(2, beating=False)
    assert {pid for pid, _ in house.killed} == {1, 2, 9}


def test_time_in_which_the_guard_slept_is_nobodys_silence(house: House) -> None:
    house.pass_time(1)
    for _ in range(5):
        house.now_s += 3600.0
        house.pass_time(1, beating=False)
        house.pass_time(1)
    assert house.killed == []


def test_told_to_end_it_closes_the_port_after_the_lame_duck_and_replaces_nobody(house: House) -> None:
    address = house.arbiter.sockets[API_SOCKET].getsockname()
    house.arbiter.watchers[0].stopping = True
    house.pass_time(LAME_DUCK_S - 0.1)
    socket.create_connection(address, timeout=5).close()
    house.arbiter.status[1] = 0
    house.pass_time(SHUT_S - LAME_DUCK_S + 0.2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    assert house.arbiter.managed == 0


def test_time_runs_from_the_signal_not_from_when_circus_acts_on_it(house: House) -> None:
    house.guard.told()
    house.now_s += SHUT_S
    house.arbiter.watchers[0].stopping = True
    house.guard.look()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(house.arbiter.sockets[API_SOCKET].getsockname(), timeout=5)


def test_runners_are_told_to_end_only_once_the_workers_are_gone(house: House) -> None:
    assert [watcher.stop_signal for watcher in house.arbiter.watchers] == [signal.SIGTERM, signal.SIGCONT]
    for watcher in house.arbiter.watchers:
        watcher.stopping = True
    house.pass_time(2)
    house.arbiter.status[1] = 0
    house.pass_time(1)
    assert house.killed == []
    house.arbiter.status[2] = 0
    house.pass_time(1)
    assert house.killed == [(9, signal.SIGTERM)]


def test_who_does_not_end_in_time_is_ended(house: House) -> None:
    house.arbiter.watchers[0].stopping = True
    house.pass_time(GRACE_S + LAST_S)
    assert house.killed == []
    house.pass_time(1)
    assert {(1, signal.SIGKILL), (2, signal.SIGKILL), (9, signal.SIGKILL)} <= set(house.killed)


def test_what_the_dead_counted_is_buried(house: House, tmp_path: Path) -> None:
    for watcher in house.arbiter.watchers:
        watcher.env["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    gauges = [tmp_path / f"gauge_liveall_{pid}.db" for pid in (1, 2)]
    for gauge in gauges:
        gauge.touch()
    house.arbiter.status[1] = -signal.SIGKILL
    house.pass_time(1)
    assert [gauge.exists() for gauge in gauges] == [False, True]


@pytest.mark.parametrize(
    ("code", "status"), [("", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)]
)
def test_the_end_of_a_child_is_seen_without_reaping_it(code: str, status: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", code])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert [exit_of(child.pid) for _ in range(2)] == [status, status]
    assert child.wait() == status
    assert exit_of(child.pid) == 0


def test_a_child_that_runs_has_not_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert exit_of(child.pid) is None
    child.communicate(b"\n")


def test_where_circus_does_not_supervise_it_says_so() -> None:
    with pytest.raises(OperatorNeeded, match="circus"):
        circus_of_this_process()
