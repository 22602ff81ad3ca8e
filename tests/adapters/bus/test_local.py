"""Workers that hang, die, lie, or have not started yet."""

import asyncio
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from adapters.bus.local import MAX_WAITING_BYTES, LocalBus
from tests.fakes.waiting import eventually, run
from trading.errors import OperatorNeeded

ROOT = Path(__file__).resolve().parents[3]
TOPIC = "user:user123"

# A worker that listens to TOPIC and publishes all it hears to "echo".
WORKER = """
import asyncio, sys
from pathlib import Path
from adapters.bus.local import LocalBus

async def main():
    bus = LocalBus(Path(sys.argv[1]))
    await bus.start()
    bus.subscribe(sys.argv[2], lambda message: bus.publish("echo", message))
    await asyncio.sleep(600)

asyncio.run(main())
"""


@contextmanager
def worker(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process on the bus until the block ends."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(directory), TOPIC], cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def bus_in(directory: Path) -> AsyncIterator[LocalBus]:
    bus = LocalBus(directory)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


def sockets(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_another_process_is_found_and_heard_though_it_starts_later(tmp_path: Path) -> None:
    async def check() -> None:
        async with bus_in(tmp_path) as bus:
            heard: list[bytes] = []
            bus.subscribe("echo", heard.append)
            with worker(tmp_path):
                await eventually(lambda: bus.wanted(TOPIC))
                await eventually(lambda: bus.publish(TOPIC, b"1") or heard)

    run(check())


def test_a_newcomer_hears_of_everybody_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        first = LocalBus(tmp_path, look_s=3600.0)
        await first.start()
        first.subscribe(TOPIC, bytes)
        newcomer = LocalBus(tmp_path, look_s=3600.0)
        await newcomer.start()
        await eventually(lambda: newcomer.wanted(TOPIC))
        await newcomer.stop()
        await first.stop()

    run(check())


def test_a_stopped_worker_costs_a_bounded_buffer_and_nobody_else_a_message(tmp_path: Path) -> None:
    async def check() -> None:
        async with bus_in(tmp_path) as bus, bus_in(tmp_path) as well:
            heard: list[bytes] = []
            well.subscribe(TOPIC, heard.append)
            await eventually(lambda: bus.wanted(TOPIC))
            with worker(tmp_path) as hung:
                await eventually(lambda: len(bus._interest.get(TOPIC, ())) == 2)
                os.kill(hung.pid, signal.SIGSTOP)
                longest_s = 0.0
                for number in range(5000):
                    started_s = time.perf_counter()
                    bus.publish(TOPIC, bytes(1024))
                    longest_s = max(longest_s, time.perf_counter() - started_s)
                    if number % 100 == 99:
                        await asyncio.sleep(0)
                await eventually(lambda: len(heard) == 5000)
                assert 3000 < bus.dropped < 5000
                waiting = [sibling.transport.get_write_buffer_size() for sibling in bus._interest[TOPIC]]
                assert max(waiting) <= MAX_WAITING_BYTES
                assert longest_s < 1.0

    run(check())


def test_a_worker_that_was_killed_wants_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with bus_in(tmp_path) as bus:
            with worker(tmp_path) as process:
                await eventually(lambda: bus.wanted(TOPIC))
                assert len(sockets(tmp_path)) == 2
                process.kill()
                await eventually(lambda: not bus.wanted(TOPIC))
            await eventually(lambda: len(sockets(tmp_path)) == 1)

    run(check())


def test_what_a_worker_left_that_died_while_starting_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f"{ended.pid}-0123.new").touch()

    async def check() -> None:
        async with bus_in(tmp_path):
            assert len(sockets(tmp_path)) == 1

    run(check())


def test_a_bus_that_stops_leaves_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with bus_in(tmp_path), bus_in(tmp_path):
            pass
        assert sockets(tmp_path) == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(check())


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\1m\0", b"\0\0\0\1+\xff"])
def test_garbage_ends_its_own_connection_only(tmp_path: Path, garbage: bytes) -> None:
    async def check() -> None:
        async with bus_in(tmp_path) as bus, bus_in(tmp_path) as other:
            heard: list[bytes] = []
            other.subscribe(TOPIC, heard.append)
            await eventually(lambda: bus.wanted(TOPIC))
            for name in sockets(tmp_path):
                with socket.socket(socket.AF_UNIX) as stranger:
                    stranger.connect(str(tmp_path / name))
                    stranger.settimeout(10.0)
                    stranger.sendall(garbage)
                    await asyncio.to_thread(lambda stranger=stranger: drained(stranger))
            bus.publish(TOPIC, b"1")
            await eventually(lambda: heard == [b"1"])

    run(check())


def drained(stranger: socket.socket) -> None:
    """Returns once the other side has closed."""
    try:
        while stranger.recv(4096):
            pass
    except ConnectionResetError:
        pass


def test_a_message_that_no_frame_holds_is_dropped_and_counted(tmp_path: Path) -> None:
    async def check() -> None:
        async with bus_in(tmp_path) as bus, bus_in(tmp_path) as other:
            other.subscribe(TOPIC, bytes)
            await eventually(lambda: bus.wanted(TOPIC))
            bus.publish(TOPIC, bytes(300 * 1024))
            assert bus.dropped == 1

    run(check())


def test_paths_too_long_for_a_socket_are_no_obstacle(tmp_path: Path) -> None:
    async def check() -> None:
        directory = tmp_path / ("d" * 120) / ("e" * 120) / "run"
        async with bus_in(directory) as bus, bus_in(directory) as other:
            other.subscribe(TOPIC, bytes)
            await eventually(lambda: bus.wanted(TOPIC))

    run(check())


def test_the_directory_is_for_this_user_alone_and_is_the_replicas_name(tmp_path: Path) -> None:
    async def check() -> None:
        async with bus_in(tmp_path / "a") as one, bus_in(tmp_path / "a") as two, bus_in(tmp_path / "b") as apart:
            assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
            assert one.replica == two.replica != apart.replica

    run(check())


def test_a_listener_may_end_itself_while_it_is_told(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path)
    heard: list[bytes] = []

    def once(message: bytes) -> None:
        heard.append(message)
        end()

    end = bus.subscribe(TOPIC, once)
    bus.subscribe(TOPIC, heard.append)
    bus.publish(TOPIC, b"1")
    bus.publish(TOPIC, b"2")
    assert heard == [b"1", b"1", b"2"]


def test_a_moment_without_free_descriptors_blinds_nobody_for_longer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def check() -> None:
        async with bus_in(tmp_path) as bus, bus_in(tmp_path) as other:
            heard: list[bytes] = []
            bus.subscribe(TOPIC, heard.append)
            await eventually(lambda: other.wanted(TOPIC))
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
            try:
                for sibling in tuple(bus._siblings.values()):
                    sibling.transport.abort()
                await asyncio.sleep(0.6)
                assert not bus._siblings
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await eventually(lambda: other.wanted(TOPIC))
            other.publish(TOPIC, b"1")
            await eventually(lambda: heard)
            assert not any(task.done() for task in bus.tasks)

    run(check())
    assert caplog.text.count("new siblings are not found") <= 2  # once a bus


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorNeeded, match="file"):
        run(LocalBus(tmp_path / "file" / "run").start())
