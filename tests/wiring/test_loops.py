"""Loops that end where they should not."""

import asyncio

import pytest

from wiring.loops import MOMENT_S, watch


def test_a_worker_that_has_lost_a_loop_ends_a_moment_later(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[object] = []
    lost: set[str] = set()

    async def sleep(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 3:
            lost.add("queue")

    asyncio.run(watch(lambda: lost, lambda: steps.append("end"), sleep))
    assert steps[3:] == [MOMENT_S, "end"]
    assert "it has lost queue" in caplog.text
