"""Orders under fault: answers are lost, workers are killed, and still every order is booked once or never."""

import os
from collections import Counter
from pathlib import Path

from tests.fakes.live_stack import all_orders, ready_to_trade, serving, soon
from tests.fakes.stack.faults import FaultKind
from tests.fakes.stack.running import stack_processes
from tests.fakes.trading_crowd import ON_THEIR_WAY, audit, killing, order_all, start_agents, wishes

PLACE = "POST /api/v1/trading/place-order"
# `make soak` asks for 10,000.
ORDERS = int(os.environ.get("SOAK_ORDERS", "300"))
FAULTS = (FaultKind.ACCEPT_THEN_RESET, FaultKind.ACCEPT_THEN_HANG, FaultKind.ACCEPT_THEN_500)
# Of all answers every fifth is lost: the second rule sees what the first leaves.
RATES = (0.067, 0.071, 0.077)


def test_no_order_is_booked_twice_or_lost_while_answers_are_lost_and_workers_are_killed(tmp_path: Path) -> None:
    with (
        stack_processes(trading="v1m", aggregator="v1m") as stack,
        serving(tmp_path, stack, RL_TRAFFIC_PERCENTAGE="0", WORKERS="3") as service,
    ):
        soon(lambda: ready_to_trade(service))
        wanted = wishes(ORDERS)
        start_agents(service, wanted)
        for seed, (kind, rate) in enumerate(zip(FAULTS, RATES, strict=True)):
            stack.trading.control.fault(kind, rate=rate, seed=seed, route=PLACE)
        with killing(service) as killed:
            ordered = order_all(service, wanted)
            soon(lambda: killed)
        stack.trading.control.heal()
        soon(lambda: not [each for each in all_orders(service) if each["state"] in ON_THEIR_WAY])
        orders = all_orders(service)
        states = Counter(order["state"] for order in orders)
        print(f"{dict(states)}, {len(killed)} workers killed")
        audit(orders, stack.trading.control.ledger())
        assert set(ordered) <= {order["client_order_id"] for order in orders}
        # While the breaker is open, or their worker is gone, orders run out of time: that is no harm.
        assert states["filled"] >= ORDERS / 4
        # This venue cannot be asked: a person has to look, and is told so.
        assert states["unknown"] > 0
        soon(lambda: "orders" in str(service.get("/api/v1/health").json()["impaired"]))
