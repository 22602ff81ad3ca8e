"""How one worker stands, as Prometheus metrics, by name, once; what it says of trading is in trading_metrics.py."""

import prometheus_client as prometheus

from adapters.condition import Condition
from adapters.tallies import Levels, Tally
from adapters.trading_metrics import TradingGauges, TradingTotals


class ConditionTotals:
    """Counts that others keep: of the journal, the bus, the door and the other arm."""

    def __init__(self) -> None:
        self._dropped = Tally(
            "rl_service_journal_dropped_decisions_total", "Decisions that neither the store nor the spool could take."
        )
        self._torn = Tally("rl_service_journal_torn_tails_total", "Spools whose last write was cut short, repaired.")
        self._unwanted = Tally(
            "rl_service_journal_refused_decisions_total", "Decisions that the database refused; each is in a file."
        )
        self._bus_dropped = Tally("rl_service_bus_dropped_messages_total", "Messages that found no room on the bus.")
        self._replays = Tally("rl_service_idempotent_replays_total", "Answers given again for the same key.")
        self._refused = Tally(
            "rl_service_refused_requests_total", "Requests that found no place, by their class.", ("class",)
        )
        self._shadows = Tally(
            "rl_service_shadow_decisions_total",
            "Decisions of the arm that did not answer, by what came of them.",
            ("result",),
        )
        self._trading = TradingTotals()
        self.tallies = (
            *(self._dropped, self._torn, self._unwanted, self._bus_dropped, self._replays),
            *(self._refused, self._shadows),
            *self._trading.tallies,
        )

    def reach(self, condition: Condition) -> None:
        """Take these totals over."""
        self._dropped.reach(condition.journal_dropped_total)
        self._torn.reach(condition.journal_torn_total)
        self._unwanted.reach(condition.journal_refused_total)
        self._bus_dropped.reach(condition.bus_dropped_total)
        self._replays.reach(condition.replays_total)
        for kind, total in condition.refused_totals.items():
            self._refused.reach(total, kind)
        for result, total in condition.shadows_totals.items():
            self._shadows.reach(total, result)
        self._trading.reach(condition.trading)


class ConditionGauges:
    """What is so now. "live": what a dead worker last said goes with its file. "mostrecent": all say the same."""

    def __init__(self) -> None:
        self._queued = prometheus.Gauge(
            "rl_service_journal_queued_decisions",
            "Decisions that are not durable yet.",
            multiprocess_mode="livesum",
        )
        self._spooled = prometheus.Gauge(
            "rl_service_journal_spooled_bytes",
            "Decisions on this machine's disk that the store has not taken yet.",
            multiprocess_mode="livesum",
        )
        self._away = prometheus.Gauge(
            "rl_service_store_away", "1 while a worker does not reach the store.", multiprocess_mode="livemax"
        )
        self._sockets = prometheus.Gauge("rl_service_sockets", "Open WebSockets.", multiprocess_mode="livesum")
        self._jobs = Levels(
            prometheus.Gauge(
                "rl_service_jobs",
                "Asynchronous predictions that are kept, by status.",
                ["status"],
                multiprocess_mode="livemostrecent",
            )
        )
        self._agents = Levels(
            prometheus.Gauge("rl_service_agents", "Agents by state.", ["state"], multiprocess_mode="livemostrecent")
        )
        self._trading = TradingGauges()

    def show(self, condition: Condition) -> None:
        """Show these."""
        self._queued.set(condition.journal_queued)
        self._spooled.set(condition.journal_spooled_bytes)
        self._away.set(condition.store_away)
        self._sockets.set(condition.sockets)
        self._agents.set(condition.agents)
        if condition.jobs is not None:
            self._jobs.set(condition.jobs)
        self._trading.show(condition.trading)
