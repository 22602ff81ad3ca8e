"""The client and the service as external-services.md has it understand each other, up to its limit of calls."""

import asyncio

import pytest

from adapters.adaptive_threshold.client import AdaptiveThreshold, Evaluation
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.fakes.stack.running import running_stack
from trading.errors import UpstreamLimited
from trading.thresholds import Thresholds
from trading.vocabulary import Action, Reading

READING = Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY)
LIMIT = 60


def test_it_says_what_it_keeps_and_thinks_until_it_has_been_asked_too_often() -> None:
    async def ask(url: str) -> None:
        upstream = Upstream("adaptive_threshold", url, Breakers())
        await upstream.start()
        client = AdaptiveThreshold(upstream)
        try:
            assert await client.thresholds("user123", "BTC", deadline_s=5.0) == Thresholds()
            evaluation = await client.evaluate("user123", "BTC", READING, deadline_s=5.0)
            assert evaluation == Evaluation(should_trade=True, thresholds=Thresholds())
            for _ in range(LIMIT - 2):
                await client.thresholds("user123", "BTC", deadline_s=5.0)
            with pytest.raises(UpstreamLimited):
                await client.thresholds("user123", "BTC", deadline_s=5.0)
        finally:
            await upstream.stop()

    with running_stack(threshold=True) as stack:
        asyncio.run(ask(stack.threshold.url))
