"""An analysis runs in a process of its own: one at a time, bounded, and gone with whoever asked for it."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.processes import lives, stopped
from tests.fakes.served import ROOT
from tests.fakes.waiting import eventually, run
from trading.errors import AnalysisFailed, TooManyWait
from wiring.analyst import Analyst


def program(text: str) -> Sequence[str]:
    """A program of its own in place of the analysis."""
    return (sys.executable, "-c", text)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# It says who it is, and stays.
STAYS = "import os, sys, time; open(sys.argv[-1], 'w').write(str(os.getpid())); time.sleep(60)"


def test_what_it_prints_is_the_answer_and_it_is_told_whose_child_it_is() -> None:
    async def main() -> None:
        analyst = Analyst(program=program("import sys; print(sys.argv[1:])"))
        said = await analyst.run("power", "--", "ramp")
        assert said.decode().strip() == str(["--parent", str(os.getpid()), "power", "--", "ramp"])

    run(main())


def test_its_last_words_say_why_it_failed() -> None:
    async def main() -> None:
        with pytest.raises(AnalysisFailed, match="nan is no price"):
            await Analyst(program=program("import sys; sys.exit('first\\nnan is no price')")).run("evaluate")

    run(main())


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(AnalysisFailed, match="neither done nor further within 2 s"):
            await Analyst(program=program(STAYS), timeout_s=2.0).run(str(tmp_path / "pid"))
        assert not alive(int((tmp_path / "pid").read_text()))

    run(main())


def test_one_that_tells_how_far_it_is_may_take_longer() -> None:
    tells = "import sys, time\nfor part in range(8):\n    print(part, file=sys.stderr, flush=True)\n    time.sleep(0.5)"

    async def main() -> None:
        heard: list[None] = []
        analyst = Analyst(program=program(f"{tells}\nprint('x' * 1_000_000)"), timeout_s=3.0)
        said = await analyst.run("evaluate", heard=lambda: heard.append(None))
        assert len(said.strip()) == 1_000_000
        assert heard

    run(main())


def test_one_runs_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        analyst = Analyst(program=program(STAYS))
        first = asyncio.create_task(analyst.run(str(tmp_path / "pid")))
        await eventually((tmp_path / "pid").exists)
        with pytest.raises(TooManyWait):
            await analyst.run("evaluate")
        await analyst.stop()
        with pytest.raises(AnalysisFailed):
            await first

    run(main())


def test_who_no_longer_waits_leaves_no_process_behind(tmp_path: Path) -> None:
    async def main() -> None:
        file = tmp_path / "pid"
        asking = asyncio.create_task(Analyst(program=program(STAYS)).run(str(file)))
        await eventually(lambda: file.exists() and file.read_text())
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await eventually(lambda: not alive(int(file.read_text())))

    run(main())


def test_a_program_that_is_not_there_fails_the_analysis() -> None:
    async def main() -> None:
        with pytest.raises(AnalysisFailed, match="cannot begin"):
            await Analyst(program=("/nowhere/python",)).run("evaluate")

    run(main())


def test_the_real_program_says_what_it_cannot_do() -> None:
    async def main() -> None:
        with pytest.raises(AnalysisFailed):
            await Analyst().run("explode")

    run(main())


# A worker: the leader of a session, as its supervisor makes it. Its analysis has not come to binding itself.
WORKER = f"""
import asyncio, sys
from wiring.analyst import Analyst
asyncio.run(Analyst(program=(sys.executable, "-c", {STAYS!r})).run(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="whether a process lives is read from /proc")
def test_one_that_is_stopped_as_soon_as_it_lives_is_gone_with_its_worker(tmp_path: Path) -> None:
    async def main() -> None:
        file = tmp_path / "pid"
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, str(file), cwd=ROOT, start_new_session=True
        )
        await eventually(lambda: file.exists() and file.read_text())
        child = int(file.read_text())
        os.kill(child, signal.SIGSTOP)
        await eventually(lambda: stopped(child))
        worker.kill()
        await worker.wait()
        await eventually(lambda: not lives(child))

    run(main())
