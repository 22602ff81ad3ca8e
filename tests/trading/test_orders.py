"""The states an order goes through."""

from decimal import Decimal

import pytest

from trading.orders import MOVES, MadeBy, OrderRequest, OrderState, Side, client_order_id, closing_id

LEFT = frozenset({OrderState.OPEN, OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.NOT_PLACED})


def made_by(name: str) -> MadeBy:
    order = OrderRequest(client_order_id=name, user_id="u", symbol="BTC", side=Side.SELL, quantity=Decimal(1))
    return order.made_by


def reachable(state: OrderState) -> set[OrderState]:
    """Every state an order may come to from this one."""
    found: set[OrderState] = set()
    open_ends = [state]
    while open_ends:
        for after in MOVES[open_ends.pop()] - found:
            found.add(after)
            open_ends.append(after)
    return found


def test_every_state_is_reached_from_a_new_order() -> None:
    assert reachable(OrderState.NEW) | {OrderState.NEW} == set(OrderState)


@pytest.mark.parametrize("state", [state for state in OrderState if not state.final])
def test_every_order_that_has_not_ended_may_end(state: OrderState) -> None:
    assert any(after.final for after in reachable(state))


@pytest.mark.parametrize("state", list(OrderState))
def test_an_order_counts_as_filled_for_as_long_as_it_has_not_ended(state: OrderState) -> None:
    assert state.working is not state.final


@pytest.mark.parametrize("state", [OrderState.OPEN, OrderState.UNKNOWN])
def test_what_may_have_left_is_never_sent_again(state: OrderState) -> None:
    assert not reachable(state) & {OrderState.NEW, OrderState.SENDING, OrderState.EXPIRED, OrderState.BLOCKED}


def test_an_order_that_has_not_been_sent_has_no_answer_of_a_venue() -> None:
    assert not MOVES[OrderState.NEW] & LEFT


def test_only_proof_that_it_is_not_there_ends_an_unknown_order_as_not_placed() -> None:
    assert [state for state in OrderState if OrderState.NOT_PLACED in MOVES[state]] == [OrderState.UNKNOWN]


def test_buying_adds_to_a_position_and_selling_takes_from_it() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


def test_a_decision_of_ours_gives_an_id_that_venues_take() -> None:
    decision_id = "0123456789abcdef" * 2

    assert client_order_id(decision_id) == f"rl-{decision_id}"
    assert len(client_order_id(decision_id)) <= 36


def test_an_order_of_a_stop_has_an_id_that_no_decision_gives_and_no_other_stop() -> None:
    ids = {closing_id(user, symbol, version) for user in "ab" for symbol in "cd" for version in (1, 2)}

    assert len(ids) == 8
    assert all(len(client_order_id(each)) <= 36 for each in ids)
    assert {made_by(client_order_id(each)) for each in ids} == {MadeBy.STOP}
    assert made_by(client_order_id("0123456789abcdef" * 2)) is MadeBy.DECISION
