"""Places are counted exactly, and no class loses its own."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routes.shares import RouteClass, Shares


def fill(shares: Shares, kind: RouteClass) -> int:
    """Take places until there is none for this class."""
    taken = 0
    while shares.take(kind):
        taken += 1
    return taken


@pytest.mark.parametrize("places", [1, 2, 3, 4, 5, 7, 10, 50, 100, 1000])
def test_one_class_after_the_other_takes_every_place_and_no_more(places: int) -> None:
    shares = Shares(places)
    assert sum(fill(shares, kind) for kind in RouteClass) == places == shares.busy


@pytest.mark.parametrize("kind", RouteClass)
def test_every_class_is_let_into_an_empty_house_of_one_place(kind: RouteClass) -> None:
    assert fill(Shares(1), kind) == 1


def test_a_hundred_places_leave_each_class_its_share_when_another_takes_all_it_can() -> None:
    shares = Shares(100)
    assert fill(shares, RouteClass.PREDICT) == 70
    assert [fill(shares, kind) for kind in RouteClass] == [10, 0, 10, 10]


def test_from_five_places_on_no_class_can_keep_another_out() -> None:
    for places in range(5, 40):
        for greedy in RouteClass:
            shares = Shares(places)
            fill(shares, greedy)
            assert all(shares.take(kind) for kind in RouteClass if kind is not greedy), (places, greedy)


@given(st.integers(1, 30), st.lists(st.tuples(st.sampled_from(RouteClass), st.booleans()), max_size=200))
def test_after_any_coming_and_going_as_many_places_are_free_as_before(
    places: int, moves: list[tuple[RouteClass, bool]]
) -> None:
    shares = Shares(places)
    inside: Counter[RouteClass] = Counter()
    for kind, enters in moves:
        if enters:
            inside[kind] += shares.take(kind)
        elif inside[kind]:
            shares.give_back(kind)
            inside[kind] -= 1
        assert shares.busy == inside.total() <= places
    for kind in inside.elements():
        shares.give_back(kind)
    assert sum(fill(shares, kind) for kind in RouteClass) == places
