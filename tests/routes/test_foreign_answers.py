"""What becomes of the answers of the application behind the door."""

import asyncio

import pytest

from tests.fakes.asgi import FakeApp
from tests.fakes.doubling import House, assert_error, opened


@pytest.fixture
def house() -> House:
    return opened()


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "not_found"), (413, "body_too_large"), (418, "malformed_json"), (500, "internal"), (502, "internal")],
)
def test_a_foreign_error_is_replaced_by_ours(house: House, status: int, code: str) -> None:
    house.app = FakeApp(status=status, headers=[(b"server", b"foreign")], pieces=[b"<h1>", b"foreign", b"</h1>"])
    reply = house.pass_on()
    assert_error(reply, code)
    assert b"foreign" not in reply.body
    assert "server" not in reply.headers
    assert house.observer.codes == [code]


def test_a_foreign_405_keeps_the_methods_that_route_takes(house: House) -> None:
    house.app = FakeApp(status=405, headers=[(b"Allow", b"GET, HEAD")])
    reply = house.pass_on()
    assert_error(reply, "method_not_allowed")
    assert reply.headers["allow"] == "GET, HEAD"


def test_an_error_that_has_our_shape_already_is_left_as_it_is(house: House) -> None:
    house.app = FakeApp(status=503, headers=[(b"X-Error-Code", b"not_ready")], pieces=[b"ours"])
    assert (house.pass_on().status, house.pass_on().body) == (503, b"ours")


def test_a_foreign_answer_streams_through(house: House) -> None:
    house.app = FakeApp(headers=[(b"x-kept", b"yes")], pieces=[b"a", b"b", b"c"])
    reply = house.pass_on()
    assert (reply.status, reply.body, reply.headers["x-kept"]) == (200, b"abc", "yes")


def test_an_application_that_fails_before_it_answers_is_a_logged_500(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.app = FakeApp(pieces=[], error=RuntimeError("secret-of-theirs"))
    reply = house.pass_on()
    assert_error(reply, "internal")
    assert b"secret-of-theirs" not in reply.body
    assert reply.headers["x-request-id"] in caplog.text
    assert "secret-of-theirs" in caplog.text


def test_an_application_that_answers_500_and_raises_is_logged_under_the_id_it_answered(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.app = FakeApp(status=500, pieces=[b"Internal Server Error"], error=RuntimeError("why"))
    reply = house.pass_on()
    assert_error(reply, "internal")
    assert reply.headers["x-request-id"] in caplog.text


def test_an_answer_that_fails_halfway_is_not_followed_by_another(house: House) -> None:
    house.app = FakeApp(pieces=[b"half"], error=RuntimeError("why"))
    assert (house.pass_on().status, house.pass_on().body) == (200, b"half")


def test_the_lifespan_goes_to_the_application_untouched(house: House) -> None:
    seen: list[object] = []

    async def app(scope: object, receive: object, send: object) -> None:
        seen.extend([scope, receive, send])

    house.app = app
    passed = ({"type": "lifespan"}, object(), object())
    asyncio.run(house.door(*passed))  # type: ignore[arg-type]
    assert seen == list(passed)
