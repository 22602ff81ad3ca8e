"""Feedback is strict: what is not a finite figure of a decision is refused."""

import json

import pytest
from pydantic import ValidationError

from schemas.feedback import FeedbackParams, FeedbackRequest

SAID = {"request_id": "0" * 32, "user_id": "amy", "net_bps": -3.5}


def test_what_an_api_method_gets_are_the_fields() -> None:
    said = FeedbackRequest.model_validate_json(json.dumps(SAID | {"note": "from the venue's statement, ü"}))
    assert set(said.model_dump()) == set(FeedbackParams.__annotations__)
    assert (said.net_bps, said.net_usd) == (-3.5, None)


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "1e999", '"3"', "true", "1e13"])
@pytest.mark.parametrize("name", ["net_bps", "net_usd"])
def test_a_figure_is_a_finite_number(name: str, figure: str) -> None:
    body = f'{{"request_id": "{"0" * 32}", "user_id": "amy", "{name}": {figure}}}'
    with pytest.raises(ValidationError, match=name):
        FeedbackRequest.model_validate_json(body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request_id", "r1"),
        ("request_id", "F" * 32),
        ("request_id", "0" * 32 + "\n"),
        ("user_id", "a b"),
        ("user_id", ""),
        ("note", "x" * 501),
        ("note", "a\x00b"),
        ("profit", 1.0),
    ],
)
def test_every_other_field_is_checked_too(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        FeedbackRequest.model_validate_json(json.dumps(SAID | {field: value}))
