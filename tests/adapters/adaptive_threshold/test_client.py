"""What the AdaptiveThreshold service answers is taken when it can be right, and refused when it cannot."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from adapters.adaptive_threshold.client import AdaptiveThreshold, Evaluation
from adapters.upstream.breakers import Breakers
from adapters.upstream.client import Upstream
from tests.fakes.served import free_port
from tests.fakes.threshold_service import Asked, Said, ThresholdService, limited, said, threshold_service, thresholds
from trading.errors import NotSent, OutcomeUnknown, UpstreamLimited, UpstreamRefused, UpstreamUnavailable
from trading.thresholds import Thresholds
from trading.vocabulary import Action, Reading

Result = TypeVar("Result")
READING = Reading(confidence=0.85, rsi=65.0, change_percent=3.5, volume_usd=1.5e9, action=Action.BUY)
DEADLINE_S = 5.0


@pytest.fixture
def service() -> Iterator[ThresholdService]:
    with threshold_service() as running:
        yield running


def ask(url: str, question: Callable[[AdaptiveThreshold], Awaitable[Result]]) -> Result:
    async def main() -> Result:
        upstream = Upstream("adaptive_threshold", url, Breakers())
        await upstream.start()
        try:
            return await question(AdaptiveThreshold(upstream))
        finally:
            await upstream.stop()

    return asyncio.run(main())


def ask_thresholds(url: str, user_id: str = "user123", symbol: str = "BTC") -> Thresholds:
    return ask(url, lambda client: client.thresholds(user_id, symbol, deadline_s=DEADLINE_S))


def ask_evaluation(url: str, user_id: str = "user123") -> Evaluation:
    return ask(url, lambda client: client.evaluate(user_id, "BTC", READING, deadline_s=DEADLINE_S))


def test_the_thresholds_of_a_user_and_symbol_come_under_our_names(service: ThresholdService) -> None:
    service.answer = lambda asked: thresholds(
        asked,
        rsi_threshold=60,
        confidence_threshold=0.5,
        macd_threshold=0.05,
        volume_threshold=2e9,
        momentum_threshold=1.5,
    )
    assert ask_thresholds(service.url) == Thresholds(rsi=60.0, confidence=0.5, macd=0.05, volume=2e9, momentum=1.5)
    assert [asked.target for asked in service.asked] == ["/api/v1/thresholds/user123?symbol=BTC"]


def test_an_evaluation_sends_the_signal_in_the_names_of_the_service(service: ThresholdService) -> None:
    assert ask_evaluation(service.url) == Evaluation(should_trade=True, thresholds=Thresholds())
    (asked,) = service.asked
    assert (asked.method, asked.target) == ("POST", "/api/v1/evaluate/user123")
    assert asked.signal == {
        "symbol": "BTC",
        "confidence": 0.85,
        "rsi": 65.0,
        "change_percent": 3.5,
        "volume": 1.5e9,
        "action": "BUY",
    }


@pytest.mark.parametrize("user_id", ["a:b@c", "../../stats", "a?symbol=ETH", "a#b", "a%2Fb", "ü €"])
def test_a_user_id_stays_one_part_of_the_path(service: ThresholdService, user_id: str) -> None:
    ask_thresholds(service.url, user_id, "BTC/USD")
    (asked,) = service.asked
    assert (asked.user_id, asked.symbol) == (user_id, "BTC/USD")


@pytest.mark.parametrize("user_id", [".", ".."])
def test_a_user_id_that_leads_elsewhere_is_never_sent(service: ThresholdService, user_id: str) -> None:
    with pytest.raises(UpstreamUnavailable, match="part of a path"):
        ask_thresholds(service.url, user_id)
    with pytest.raises(UpstreamUnavailable, match="part of a path"):
        ask_evaluation(service.url, user_id)
    assert service.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"rsi_threshold": 49.9},
        {"confidence_threshold": 1.01},
        {"volume_threshold": 1e6},
        {"momentum_threshold": "2.0"},
        {"momentum_threshold": True},
        {"momentum_threshold": None},
        {"macd_threshold": None},
        {"volume_threshold": 10**400},
    ],
)
@pytest.mark.parametrize("question", [ask_thresholds, ask_evaluation])
def test_a_threshold_that_is_missing_no_number_or_outside_its_bounds_is_refused(
    service: ThresholdService, changes: dict[str, object], question: Callable[[str], object]
) -> None:
    service.answer = lambda asked: thresholds(asked, **changes)
    with pytest.raises(UpstreamUnavailable, match="adaptive_threshold: "):
        question(service.url)


def test_a_threshold_that_is_not_finite_is_refused(service: ThresholdService) -> None:
    service.answer = lambda asked: Said(text=thresholds(asked).text.replace("70.0", "NaN"))
    with pytest.raises(UpstreamUnavailable):
        ask_thresholds(service.url)


@pytest.mark.parametrize(
    "data",
    [None, [], {"thresholds": {}}, {"user_id": "user123", "symbol": "BTC"}, {"user_id": "user123", "symbol": "ETH"}],
)
@pytest.mark.parametrize("question", [ask_thresholds, ask_evaluation])
def test_an_answer_of_another_shape_or_about_another_user_is_refused(
    service: ThresholdService, data: object, question: Callable[[str], object]
) -> None:
    service.answer = lambda _: said(data)
    with pytest.raises(UpstreamUnavailable, match="adaptive_threshold: "):
        question(service.url)


@pytest.mark.parametrize("should_trade", [None, "true", 1])
def test_an_evaluation_that_does_not_say_whether_to_trade_is_refused(
    service: ThresholdService, should_trade: object
) -> None:
    def answer(asked: Asked) -> Said:
        body = json.loads(thresholds(asked).text)
        return said(body["data"] | {"should_trade": should_trade})

    service.answer = answer
    with pytest.raises(UpstreamUnavailable, match="should_trade"):
        ask_evaluation(service.url)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (limited, UpstreamLimited),
        (lambda _: Said(status=404, text='{"success": false, "error": "Endpoint not found"}'), UpstreamRefused),
        (
            lambda _: Said(status=500, text='{"success": false, "error": "415 Unsupported Media Type: Did not"}'),
            UpstreamRefused,
        ),
        (lambda _: Said(status=500, text='{"success": false, "error": "oops"}'), OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("question", [ask_thresholds, ask_evaluation])
def test_what_the_service_says_instead_keeps_its_meaning(
    service: ThresholdService,
    answer: Callable[[Asked], Said],
    error: type[Exception],
    question: Callable[[str], object],
) -> None:
    service.answer = answer
    with pytest.raises(error):
        question(service.url)


def test_a_service_that_is_down_was_not_reached() -> None:
    with pytest.raises(NotSent):
        ask_thresholds(f"http://127.0.0.1:{free_port()}")
