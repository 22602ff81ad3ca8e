"""How one worker stands at a moment, as far as its metrics show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trading.breaker import BreakerState
from trading.vocabulary import Halt


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingCondition:
    """How trading stands, as this worker knows it. What is called total was counted since the process began.

    `orders` are those of the whole deployment that may still be filled, by state, None while that is not known;
    `reconciling` while what became of earlier orders is not. Totals are by what came of it: `bars` of the live market
    by `kept`, `disputed` or the reason of a failure, `agent_bars`, `thresholds` and `agreements` by result.
    """

    halt: Halt
    orders: Mapping[str, int] | None
    orders_needing_operator: int
    reconciling: bool
    breakers: Sequence[BreakerState]
    agent_bars_totals: Mapping[str, int]
    bars_totals: Mapping[str, int]
    thresholds_totals: Mapping[str, int]
    agreements_totals: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How one worker stands now. What is called total was counted since the process began and never falls.

    `jobs` are the asynchronous predictions of the whole deployment by status, None while that is not known; `agents`
    those of the whole deployment by state; `refused_totals` the requests that found no place, by their class;
    `shadows_totals` what became of asking the other arm, by result.
    """

    journal_queued: int
    journal_spooled_bytes: int
    journal_dropped_total: int
    journal_torn_total: int
    journal_refused_total: int
    store_away: bool
    sockets: int
    bus_dropped_total: int
    replays_total: int
    jobs: Mapping[str, int] | None
    agents: Mapping[str, int]
    refused_totals: Mapping[str, int]
    shadows_totals: Mapping[str, int]
    trading: TradingCondition
