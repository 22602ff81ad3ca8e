"""What the service says of itself to who watches it."""

import asyncio

import pytest

from tests.fakes.asgi import ask
from tests.fakes.doubling import GOOD, House, assert_error, get, opened


@pytest.fixture
def house() -> House:
    return opened()


def test_ready_says_yes_once_nothing_is_waited_for(house: House) -> None:
    assert get(house, "ready").json() == {"ready": True, "waiting_for": []}


def test_ready_names_what_is_waited_for_in_our_shape(house: House) -> None:
    house.open(not_ready=lambda: ["market_feed"])
    reply = get(house, "ready")
    assert_error(reply, "not_ready")
    assert reply.json()["error"]["details"] == [{"field": "(service)", "problem": "market_feed"}]
    assert int(reply.headers["retry-after"]) >= 1


def test_a_closed_room_is_not_ready_to_show_anything(house: House) -> None:
    house.room.close()
    for path in ("ready", "health", "nowhere"):
        assert_error(get(house, path), "not_ready")


@pytest.mark.parametrize(("missing", "status"), [([], "healthy"), (["market_feed"], "degraded")])
def test_health_is_200_and_says_how_well(house: House, missing: list[str], status: str) -> None:
    house.open(not_ready=lambda: missing)
    reply = get(house, "health")
    assert (reply.status, reply.json()["status"], reply.json()["waiting_for"]) == (200, status, missing)


def test_status_makes_each_part_when_it_is_asked_for(house: House) -> None:
    counted = iter(range(9))
    house.open(reports={"count": lambda: next(counted)})
    assert [get(house, "status").json() for _ in range(2)] == [{"count": 0}, {"count": 1}]


def test_a_status_that_cannot_be_made_is_a_logged_500(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.open(reports={"broken": lambda: 1 // 0})
    reply = get(house, "status")
    assert_error(reply, "internal")
    assert reply.headers["x-request-id"] in caplog.text


def test_metrics_are_what_the_observer_exposes(house: House) -> None:
    reply = get(house, "metrics/prometheus")
    assert (reply.body, reply.headers["content-type"].split(";")[0]) == (b"metric 1\n", "text/plain")


def test_a_get_route_names_the_methods_it_takes(house: House) -> None:
    reply = asyncio.run(ask(house.door, "/api/v1/health", GOOD))
    assert_error(reply, "method_not_allowed")
    assert sorted(reply.headers["allow"].split(", ")) == ["GET", "HEAD"]


@pytest.mark.parametrize("path", ["/", "/api/v1/nowhere", "/api/v1/health/", "/static_content/index.css"])
def test_a_path_nobody_serves_is_a_404_of_ours(house: House, path: str) -> None:
    assert_error(asyncio.run(ask(house.door, path, method="GET", headers=())), "not_found")


def test_the_probe_of_the_platform_says_what_ours_says(house: House) -> None:
    assert asyncio.run(ask(house.door, "/readyz", method="GET")).status != 503
    house.open(not_ready=lambda: ["market_feed"])
    assert_error(asyncio.run(ask(house.door, "/readyz", method="GET")), "not_ready")
    house.room.close()
    assert_error(asyncio.run(ask(house.door, "/readyz", method="GET")), "not_ready")
