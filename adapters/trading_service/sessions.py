"""A user's session at TradingService in our own words and units: what it says of itself and takes from us."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn, Protocol

from adapters.symbols import Spelling, spell
from adapters.trading_service.versions import Version
from trading.errors import UnknownSymbol, UpstreamRefused

NOT_IMPLEMENTED = 501
# The route class of all calls about sessions: their faults keep nobody from asking about orders.
ROUTE = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """How a session is doing; None is what this version does not tell, or tells wrongly.

    `halted` by its emergency stop. `started_at_s` is Unix seconds, `profit` in quote currency, `trades` those of the
    session and `open_trades` those that are not closed.
    """

    active: bool
    paused: bool | None = None
    halted: bool | None = None
    started_at_s: float | None = None
    trades: int | None = None
    open_trades: int | None = None
    profit: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a session can be told: signals below `min_confidence` (0..1) are not traded, nor more than `max_positions`
    at once. None leaves it as it is."""

    min_confidence: float | None = None
    max_positions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    """What TradingService says it holds: base units, below zero when short; prices and profit in quote currency.

    None is what is not told, or made up.
    """

    symbol: str
    quantity: Decimal | None
    average_cost: Decimal | None
    price: Decimal | None
    unrealized: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What a session earned, in quote currency, altogether and in its week; None is what it does not tell."""

    profit: Decimal | None
    week_profit: Decimal | None


class Sessions(Protocol):
    """The sessions of one version.

    All of it raises UpstreamUnavailable, and UpstreamRefused `not_offered` for what the version has not, or fakes.
    `deadline_s` is the time a call may take, in seconds, everything included.
    """

    @property
    def version(self) -> Version:
        """Whose sessions these are."""

    async def status(self, user_id: str, *, deadline_s: float) -> SessionStatus:
        """How the user's session is doing."""

    async def start(
        self, user_id: str, watchlist: Sequence[str], settings: SessionSettings, *, deadline_s: float
    ) -> None:
        """Start a session on some of our symbols. Where one runs already it goes on, or this is refused.

        Raises UnknownSymbol for one that TradingService has no name for.
        """

    async def stop(self, user_id: str, *, deadline_s: float) -> None:
        """End the session; none is no error."""

    async def pause(self, user_id: str, *, deadline_s: float) -> None:
        """Have the session open nothing new."""

    async def resume(self, user_id: str, *, deadline_s: float) -> None:
        """End the pause."""

    async def change(self, user_id: str, settings: SessionSettings, *, deadline_s: float) -> None:
        """Change the settings of the running session."""

    async def positions(self, user_id: str, *, deadline_s: float) -> Sequence[HeldPosition]:
        """What it says it holds, of the symbols we know."""

    async def performance(self, user_id: str, *, deadline_s: float) -> Performance:
        """What the session earned."""


def spelled(watchlist: Sequence[str], spelling: Spelling) -> list[str]:
    """Our symbols as TradingService writes them. Raises UnknownSymbol."""
    names = {symbol: spell(symbol, spelling) for symbol in watchlist}
    for symbol, name in names.items():
        if name is None:
            raise UnknownSymbol(symbol)
    return [name for name in names.values() if name is not None]


def not_offered(version: Version, what: str) -> NoReturn:
    """Raises UpstreamRefused: this version has no such thing, or what it says there is not true."""
    raise UpstreamRefused("not_offered", f"TradingService {version} has no {what}", status=NOT_IMPLEMENTED)
