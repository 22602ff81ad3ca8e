"""Ids of requests."""

import re

from routes.ids import TOGETHER, RequestIds


def test_no_two_are_alike_and_each_is_32_hex_digits() -> None:
    ids = RequestIds()
    made = [ids.make() for _ in range(3 * TOGETHER + 1)]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in made)
    assert len(set(made)) == len({each[12:] for each in made}) == len(made)


def test_two_processes_share_none() -> None:
    one, other = RequestIds(), RequestIds()
    assert not {one.make()[12:] for _ in range(100)} & {other.make()[12:] for _ in range(100)}
