"""Idempotency keys over the workers of a served process."""

import uuid

from tests.fakes.crowd import Client, all_at_once
from tests.fakes.served import REQUEST, Served

PREDICT = "/api/v1/predict"


def test_a_hundred_parallel_requests_with_one_key_are_one_decision(four: Served) -> None:
    key, user = str(uuid.uuid4()), "idempotent"
    body = REQUEST | {"user_id": user}

    answers = all_at_once(four, 100, lambda client, _: client.ask("POST", PREDICT, body, {"Idempotency-Key": key}))

    statuses = {answer.status for answer in answers}
    assert statuses <= {200, 409}
    assert len({answer.body for answer in answers if answer.status == 200}) == 1
    again = four.post(PREDICT, body | {"idempotency_key": key})
    assert again.body in {answer.body for answer in answers}
    assert len(four.get(f"/api/v1/decisions?user_id={user}").json()["decisions"]) == 1


def test_a_key_with_another_body_is_refused(service: Served) -> None:
    key = str(uuid.uuid4())
    first = service.post(PREDICT, REQUEST, **{"Idempotency-Key": key})
    other = service.post(PREDICT, REQUEST | {"symbol": "ETH"}, **{"Idempotency-Key": key})

    assert first.status == 200
    assert (other.status, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_keys_belong_to_their_user(service: Served) -> None:
    key = str(uuid.uuid4())
    mine = service.post(PREDICT, REQUEST | {"idempotency_key": key})
    theirs = service.post(PREDICT, REQUEST | {"user_id": "other", "idempotency_key": key})

    assert mine.json()["request_id"] != theirs.json()["request_id"]


def test_an_asynchronous_request_with_a_key_is_accepted_once(service: Served) -> None:
    body = REQUEST | {"idempotency_key": str(uuid.uuid4())}

    ids = {service.post("/api/v1/predict/async", body).json()["request_id"] for _ in range(10)}

    assert len(ids) == 1


def test_a_keyed_command_is_answered_as_it_was(service: Served) -> None:
    start = {"user_id": "keyed", "config": {}, "idempotency_key": str(uuid.uuid4())}
    pause = {"user_id": "keyed", "action": "pause", "idempotency_key": str(uuid.uuid4())}

    started = [service.post("/api/v1/agents/start", start).body for _ in range(2)]
    paused = [service.post("/api/v1/agents/control", pause).body for _ in range(2)]

    assert started[0] == started[1]
    assert paused[0] == paused[1]
    assert b'"state":"paused"' in paused[0]


def test_two_different_keys_for_one_request_are_refused(service: Served) -> None:
    answer = service.post(PREDICT, REQUEST | {"idempotency_key": "a"}, **{"Idempotency-Key": "b"})

    assert answer.status == 422
    assert answer.json()["error"]["details"][0]["field"] == "Idempotency-Key"


def test_an_error_keeps_no_key(service: Served) -> None:
    key = str(uuid.uuid4())
    wrong = service.post(PREDICT, REQUEST | {"symbol": "NOPE", "idempotency_key": key})
    right = Client(service).ask("POST", PREDICT, REQUEST | {"idempotency_key": key})

    assert (wrong.status, right.status) == (404, 200)
