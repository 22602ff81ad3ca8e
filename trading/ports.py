"""The edges of the process as small protocols, in the domain's words."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from trading.agents import Agent, ExecutionMode
from trading.orders import LotRules, OrderRequest, Receipt
from trading.vocabulary import Advice, Arm, Assignment, Bar, Decision, Halt, MarketView, Reading


class Market(Protocol):
    """A source of closed bars with its own clock. Every worker sees the same bars at the same moment."""

    @property
    def source(self) -> str:
        """What answers call this market: `simulated` or `replay`."""

    @property
    def speed(self) -> float:
        """Market seconds per wall second."""

    @property
    def timeframe_s(self) -> int:
        """Length of a bar in seconds."""

    def symbols(self) -> tuple[str, ...]:
        """Every symbol this market lists, sorted."""

    def now_s(self) -> float:
        """The time on the market's clock, Unix seconds."""

    def closed_bars(self, symbol: str, *, after_s: int | None, limit: int) -> Sequence[Bar]:
        """The last `limit` bars of a symbol closed at `now_s()`, oldest first; empty when there is none.

        With `after_s` (Unix seconds) only those opened after it. Raises UnknownSymbol.
        """

    def wall_time_s(self, market_time_s: float) -> float:
        """The wall time (Unix seconds) at which the market's clock shows `market_time_s`."""

    def ended(self) -> bool:
        """True once the market's clock has passed the last bar there will ever be."""


class Features(Protocol):
    """What is known of each symbol, kept warm in memory."""

    def view(self, symbol: str) -> MarketView:
        """The market of one symbol now. Raises UnknownSymbol, NoMarketData."""


class Policy(Protocol):
    """Anything that gives advice on one symbol from closed bars, the signal's reading and the position."""

    async def advise(self, symbol: str, reading: Reading, exposure: float, *, budget_s: float) -> Advice:
        """Advice at the last closed bar; `exposure` is the position as a share of the symbol's capital.

        A policy in another process answers within `budget_s` seconds or raises PolicyTimedOut; one in this process
        answers at once. Raises FeaturesWarmingUp, FeaturesMissing, PolicyFailed and its kinds.
        """


class Assigner(Protocol):
    """Gives each user an arm; the same user the same arm, from any process."""

    def assign(self, user_id: str) -> Assignment:
        """The arm of this user now. Never raises: unknown means fallback."""


class Recorder(Protocol):
    """Takes note of every decision; never delays or fails one."""

    def record(self, decision: Decision, *, seconds: float) -> None:
        """`seconds` is the time the decision took inside the process."""


class Agents(Protocol):
    """The agents of all users, as this process knows them: at most a second old while their store answers."""

    def of(self, user_id: str) -> Agent | None:
        """The agent of a user; None without one. Never waits."""

    def age_s(self, monotonic_s: float) -> float:
        """Seconds since all of them were as they are known here; infinite when they never were."""


class Holdings(Protocol):
    """What is held and what trading may do, as this process knows it: at most a second old while the store answers."""

    def held(self, user_id: str, symbol: str, mode: ExecutionMode) -> Decimal:
        """The position of a user in a symbol, base units; 0 for none. Never waits."""

    def opened_by(self, user_id: str, symbol: str, mode: ExecutionMode) -> Arm | None:
        """The arm that opened the position of a user in a symbol; None while there is none. Never waits."""

    def halt(self) -> Halt:
        """What trading as a whole may do."""


class Journal(Protocol):
    """Keeps decisions for good."""

    def add(self, decision: Decision, *, decided_at_s: float) -> None:
        """Take note of a decision (wall time, Unix seconds). Never waits, never fails; it is durable a moment later."""


class Bus(Protocol):
    """Messages between the workers of this machine and, where there is Redis, between replicas.

    At most once, and only to those who had subscribed before: whoever must not miss anything looks into the store too.
    """

    def subscribe(self, topic: str, deliver: Callable[[bytes], None]) -> Callable[[], None]:
        """Have every message of a topic delivered, those of this process too; call the result to end it."""

    def wanted(self, topic: str) -> bool:
        """True when somebody may be listening: whether a message is worth making."""

    def publish(self, topic: str, message: bytes) -> None:
        """Send to everybody who listens. Never waits; a message that finds no room is dropped and counted."""


class Broker(Protocol):
    """A venue that takes market orders. `deadline_s` is the time a call may take, in seconds, everything included."""

    @property
    def name(self) -> str:
        """What orders call this venue."""

    @property
    def tells_absence(self) -> bool:
        """True when the venue can be asked by client order id, so that what it does not know was never placed."""

    def rules(self, symbol: str) -> LotRules | None:
        """What the venue takes in a symbol; None when it does not trade it."""

    async def place(self, order: OrderRequest, *, deadline_s: float) -> Receipt:
        """Send an order, once. A receipt of REJECTED is the venue's own refusal.

        Raises NotSent when it is certain that no byte of it left, OutcomeUnknown for everything else that is no answer.
        """

    async def find(self, order: OrderRequest, venue_order_id: str | None, *, deadline_s: float) -> Receipt | None:
        """What the venue says of an order now; None when it says it has none such.

        Raises CannotAsk when this venue cannot tell, UpstreamUnavailable when it does not answer.
        """

    async def positions(self, *, deadline_s: float) -> Mapping[str, Decimal] | None:
        """What the venue holds by our symbols, in base units; None when it does not tell.

        Raises UpstreamUnavailable.
        """
