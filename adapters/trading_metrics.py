"""How trading stands, as Prometheus metrics, by name, once: counts that others keep, and gauges."""

import prometheus_client as prometheus

from adapters.condition import TradingCondition
from adapters.tallies import Levels, Tally
from trading.breaker import BreakerStatus
from trading.vocabulary import Halt

# What gauges show of what is no number.
BREAKER_LEVELS = {
    BreakerStatus.CLOSED: 0,
    BreakerStatus.HALF_OPEN: 1,
    BreakerStatus.OPEN: 2,
    BreakerStatus.HELD_OPEN: 3,
}
HALT_LEVELS = {Halt.OPEN: 0, Halt.REDUCING: 1, Halt.HALTED: 2}


class TradingTotals:
    """Counts that others keep: of breakers, acting agents, and what comes from the services beside us."""

    def __init__(self) -> None:
        breaker = ("service", "route")
        self._opened = Tally("rl_service_breaker_opened_total", "Times a breaker opened, by what it guards.", breaker)
        self._refused = Tally("rl_service_breaker_refused_total", "Calls that a breaker did not let through.", breaker)
        self._agent_bars = Tally(
            "rl_service_agent_bars_total", "Bars on which agents were to decide by themselves.", ("result",)
        )
        self._bars = Tally(
            "rl_service_bars_total", "Bars of the live market: kept, disputed, or why there was none.", ("result",)
        )
        self._thresholds = Tally(
            "rl_service_thresholds_total", "Questions about users' thresholds, by what came of them.", ("result",)
        )
        self._agreements = Tally(
            "rl_service_threshold_agreement_total",
            "Decisions of the rule that AdaptiveThreshold was asked about: whether it agreed.",
            ("result",),
        )
        self.tallies = (
            *(self._opened, self._refused, self._agent_bars, self._bars),
            *(self._thresholds, self._agreements),
        )

    def reach(self, condition: TradingCondition) -> None:
        """Take these totals over."""
        for breaker in condition.breakers:
            self._opened.reach(breaker.opened, breaker.service, breaker.route)
            self._refused.reach(breaker.refused, breaker.service, breaker.route)
        for tally, totals in (
            (self._agent_bars, condition.agent_bars_totals),
            (self._bars, condition.bars_totals),
            (self._thresholds, condition.thresholds_totals),
            (self._agreements, condition.agreements_totals),
        ):
            for result, total in totals.items():
                tally.reach(total, result)


class TradingGauges:
    """What is so now. "livemax": what one worker sees is so, though the others may not have seen it yet."""

    def __init__(self) -> None:
        self._halted = prometheus.Gauge(
            "rl_service_trading_halted",
            "What trading may do: 0 everything, 1 reduce positions, 2 nothing.",
            multiprocess_mode="livemax",
        )
        self._operator = prometheus.Gauge(
            "rl_service_orders_needing_operator",
            "Orders of which only a person can find out what became: see POST /api/v1/orders/{order_id}/resolve.",
            multiprocess_mode="livemax",
        )
        self._reconciling = prometheus.Gauge(
            "rl_service_reconciling",
            "1 while a worker does not know what became of earlier orders.",
            multiprocess_mode="livemax",
        )
        self._breakers = prometheus.Gauge(
            "rl_service_breaker_state",
            "What a breaker lets through: 0 all, 1 one call to see, 2 none for a while, 3 none until it is released.",
            ["service", "route"],
            multiprocess_mode="livemax",
        )
        self._orders = Levels(
            prometheus.Gauge(
                "rl_service_orders_working",
                "Orders that may still be filled, by state.",
                ["state"],
                multiprocess_mode="livemostrecent",
            )
        )

    def show(self, condition: TradingCondition) -> None:
        """Show these."""
        self._halted.set(HALT_LEVELS[condition.halt])
        self._operator.set(condition.orders_needing_operator)
        self._reconciling.set(condition.reconciling)
        for breaker in condition.breakers:
            self._breakers.labels(breaker.service, breaker.route).set(BREAKER_LEVELS[breaker.status])
        if condition.orders is not None:
            self._orders.set(condition.orders)
