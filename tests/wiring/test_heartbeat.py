"""The board that workers beat on."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trading.errors import OperatorNeeded
from wiring.heartbeat import PLACES, create_board, open_board


def gone() -> int:
    """The pid of a process that is no more."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_beat_of_a_worker_is_seen_by_its_supervisor(tmp_path: Path) -> None:
    board = create_board(tmp_path, 1)
    pulse = open_board(tmp_path, 1).join(os.getpid())
    first_s = board.beats()[os.getpid()]
    assert time.monotonic() - 60 < first_s <= time.monotonic()
    time.sleep(0.001)
    pulse.beat()
    assert first_s < board.beats()[os.getpid()] <= time.monotonic()


def test_it_beats_for_as_long_as_its_loop_turns(tmp_path: Path) -> None:
    board = create_board(tmp_path, 1)
    beats: list[float] = []

    async def turn(_: float) -> None:
        beats.append(board.beats()[os.getpid()])
        if len(beats) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(open_board(tmp_path, 1).join(os.getpid()).keep_beating(turn))
    assert beats == sorted(set(beats))


def test_every_worker_has_a_place_of_its_own(tmp_path: Path) -> None:
    board = create_board(tmp_path, 1)
    living = [os.getpid(), os.getppid()]
    for pid in living:
        open_board(tmp_path, 1).join(pid)
    assert set(board.beats()) == set(living)


def test_the_place_of_a_dead_worker_is_taken_again(tmp_path: Path) -> None:
    board = create_board(tmp_path, 1)
    dead = gone()
    for _ in range(PLACES + 5):
        board.join(dead)
    board.join(os.getpid())
    assert set(board.beats()) == {os.getpid()}


def test_a_full_board_says_so(tmp_path: Path) -> None:
    board = create_board(tmp_path, 1)
    for _ in range(PLACES):
        board.join(os.getpid())
    with pytest.raises(OperatorNeeded, match="processes"):
        board.join(os.getpid())


def test_without_a_supervisor_there_is_no_board(tmp_path: Path) -> None:
    with pytest.raises(OperatorNeeded, match="no supervisor"):
        open_board(tmp_path, 1)


def test_a_new_board_removes_those_of_dead_supervisors_only(tmp_path: Path) -> None:
    others = [create_board(tmp_path, pid) for pid in (gone(), os.getppid())]
    (tmp_path / "heartbeat-notes.txt").touch()
    board = create_board(tmp_path, os.getpid())
    assert [other.path.exists() for other in others] == [False, True]
    assert (tmp_path / "heartbeat-notes.txt").exists()
    board.remove()
    assert not board.path.exists()


def test_a_board_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorNeeded, match="file"):
        create_board(tmp_path / "file", 1)
