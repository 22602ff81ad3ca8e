"""The journal as the wire shows it."""

import time
from typing import Any

from tests.fakes.crowd import Client, ask_all
from tests.fakes.served import REQUEST, Served


def decide(service: Served, user: str, count: int, symbol: str = "BTC") -> set[str]:
    """Ids of so many decisions, once all of them are in the journal."""
    body = REQUEST | {"user_id": user, "symbol": symbol}
    ids = ask_all(
        service, range(count), lambda client, _: client.ask("POST", "/api/v1/predict", body).json()["request_id"]
    )
    deadline_s = time.monotonic() + 10.0
    while any(service.get(f"/api/v1/decisions/{request_id}").status != 200 for request_id in ids):
        assert time.monotonic() < deadline_s
    return set(ids)


def pages(service: Served, query: str) -> list[list[dict[str, Any]]]:
    """Every page of a query, newest first."""
    found, cursor = [], ""
    while True:
        page = service.get(f"/api/v1/decisions?{query}{cursor}").json()
        found.append(page["decisions"])
        if page["next"] is None:
            return found
        cursor = f"&before={page['next']}"


def test_every_answer_is_in_the_journal_as_it_was_given(service: Served) -> None:
    answer = Client(service).ask("POST", "/api/v1/predict", REQUEST | {"user_id": "journalled"}).json()
    deadline_s = time.monotonic() + 10.0
    while (found := service.get(f"/api/v1/decisions/{answer['request_id']}")).status != 200:
        assert time.monotonic() < deadline_s
    kept = found.json()
    for name in answer.keys() - {"market", "processing_time_ms", "experiment"}:
        assert kept[name] == answer[name], name
    assert kept["experiment"].items() >= answer["experiment"].items()
    assert kept["signal"] == REQUEST["signal_data"] | {"timestamp": None, "market_data": None}
    assert kept["decided_by"]["market_source"] == answer["market"]["source"]


def test_the_features_of_a_policys_decision_have_their_names(service: Served) -> None:
    (request_id,) = decide(service, "user123", 1)
    (shown,) = service.get(f"/api/v1/decisions/{request_id}").json()["features"]
    assert shown["values"]["signal_confidence"] == REQUEST["signal_data"]["confidence"]


def test_pages_go_through_all_decisions_of_a_user_once_newest_first(service: Served) -> None:
    ids = decide(service, "paged", 25)
    found = pages(service, "user_id=paged&limit=10")
    assert [len(page) for page in found] == [10, 10, 5]
    rows = [row for page in found for row in page]
    assert {row["request_id"] for row in rows} == ids
    times = [row["decided_at"] for row in rows]
    assert times == sorted(times, reverse=True)


def test_decisions_are_found_by_symbol_arm_and_time(service: Served) -> None:
    before = service.get("/api/v1/status").json()["market"]["now"]
    ids = decide(service, "sought", 3, "ETH")
    arm = service.get(f"/api/v1/decisions/{next(iter(ids))}").json()["experiment"]["served_arm"]
    query = f"user_id=sought&symbol=ETH&arm={arm}&since={before}"
    assert {row["request_id"] for page in pages(service, query) for row in page} == ids
    for other in ("symbol=BTC", "arm=hold", f"until={before}"):
        assert pages(service, f"user_id=sought&{other}") == [[]]


def test_a_decision_nobody_made_is_a_404(service: Served) -> None:
    answer = service.get(f"/api/v1/decisions/{'f' * 32}")
    assert (answer.status, answer.json()["error"]["code"]) == (404, "no_decision")
