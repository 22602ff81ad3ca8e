"""What a user holds, and what it earned."""

from typing_extensions import TypedDict

from trading.agents import ExecutionMode
from trading.vocabulary import Arm


class PositionView(TypedDict):
    """A position; `price` is the last close, null where it is not known now, and then the unrealised profit is too."""

    symbol: str
    mode: ExecutionMode
    quantity: str
    average_cost: str
    opened_by: Arm | None
    opened_at: str | None
    price: str | None
    unrealized: str | None


class ProfitView(TypedDict):
    """What an arm earned in a symbol: realised before fees, the fees, and what is left, in quote currency.

    `fees` and `net` are null while the venue has not told the fee of every fill.
    """

    symbol: str
    mode: ExecutionMode
    arm: Arm
    realized: str
    fees: str | None
    net: str | None
    fills: int


class PositionsView(TypedDict):
    """What a user holds, and what each arm earned; a profit belongs to the arm that opened the position."""

    user_id: str
    positions: list[PositionView]
    profits: list[ProfitView]
