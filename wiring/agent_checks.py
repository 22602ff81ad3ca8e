"""Whether a configuration can work here, and what its user should know of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum

from rl_models.answers import calibrated_symbols
from rl_models.manifest import Manifest
from rl_models.shelf import Shelf
from schemas.agents import WarningView
from schemas.words import spell_timeframe
from trading.agents import ENSEMBLE, AgentConfig, ExecutionMode
from trading.errors import BundleRefused, InvalidField
from trading.ports import Market
from wiring.models import Model, select_model

# Each mode allows what those before it allow.
MODES = (ExecutionMode.OFF, ExecutionMode.PAPER, ExecutionMode.LIVE)


class WarningCode(StrEnum):
    """What a user is warned about. A closed list: it is part of the wire."""

    THRESHOLD_UNREACHABLE = "threshold_unreachable"
    SESSION_TRADES = "session_trades"
    SESSION_UNKNOWN = "session_unknown"


class AgentChecks:
    """Judges configurations for one market. `find_shelf` reads files; `mode` is the highest that is allowed.

    `session_trades` tells in a moment whether TradingService's own session of a user trades, with None where that is
    not known; it is None without a TradingService.
    """

    def __init__(
        self,
        market: Market,
        find_shelf: Callable[[], Shelf],
        *,
        mode: ExecutionMode,
        session_trades: Callable[[str], Awaitable[bool | None]] | None = None,
    ) -> None:
        self._market = market
        self._find_shelf = find_shelf
        self._mode = mode
        self._session_trades = session_trades

    @property
    def default_execution(self) -> ExecutionMode:
        """The mode of an agent whose user chose none: paper, as far as that is allowed."""
        return min(ExecutionMode.PAPER, self._mode, key=MODES.index)

    async def check(self, user_id: str, config: AgentConfig, active: Model) -> list[WarningView]:
        """What a user should know, given the active model. Raises InvalidField for what cannot work."""
        self._check_market(config)
        if MODES.index(config.execution) > MODES.index(self._mode):
            raise InvalidField("config.execution", f"at most {self._mode} is allowed here (EXECUTION_MODE)")
        manifest = await self._manifest(config.model_type, active)
        if config.execution is ExecutionMode.LIVE:
            _check_live(config, manifest)
        return [*self._warnings(config, manifest), *await self._session_warnings(user_id, config)]

    async def check_arm(self, model: str, active: Model) -> None:
        """Raises InvalidField for a model that no arm of an experiment can name here."""
        manifest = await self._manifest(model, active, field="model")
        if self._mode is ExecutionMode.LIVE:
            # The arm's model trades for live agents too, whatever theirs is.
            _check_calibrated(manifest, field="model")

    def _check_market(self, config: AgentConfig) -> None:
        market = self._market
        unknown = sorted(set(config.symbols) - set(market.symbols()))
        if unknown:
            raise InvalidField("config.symbols", f"this market has no {', '.join(unknown[:5])}")
        if config.timeframe_s != market.timeframe_s:
            raise InvalidField("config.timeframe", f"this market has bars of {spell_timeframe(market.timeframe_s)}")

    async def _manifest(self, name: str, active: Model, *, field: str = "config.model_type") -> Manifest:
        if name == ENSEMBLE and active.is_ensemble:
            return active.manifest
        try:
            # Reads every bundle there is: not on the event loop.
            shelf = await asyncio.to_thread(self._find_shelf)
            manifest = select_model(shelf, name, active).manifest
        except BundleRefused:
            # What it says is for the operator: it names folders.
            raise InvalidField(field, "no such model here") from None
        if manifest.timeframe_s != self._market.timeframe_s:
            length = spell_timeframe(manifest.timeframe_s)
            raise InvalidField(field, f"{_tag(manifest)} decides on bars of {length}")
        return manifest

    def _warnings(self, config: AgentConfig, manifest: Manifest) -> Iterator[WarningView]:
        problem = self._unreachable(config, manifest)
        if problem is not None:
            yield {"code": WarningCode.THRESHOLD_UNREACHABLE, "message": problem}

    async def _session_warnings(self, user_id: str, config: AgentConfig) -> list[WarningView]:
        if config.execution is not ExecutionMode.LIVE or self._session_trades is None:
            return []
        trades = await self._session_trades(user_id)
        if trades is None:
            said = "TradingService does not say whether a session of its own trades beside this agent"
            return [{"code": WarningCode.SESSION_UNKNOWN, "message": said}]
        if trades:
            said = "TradingService's own session is active and trades beside this agent, on the same account"
            return [{"code": WarningCode.SESSION_TRADES, "message": said}]
        return []

    def _unreachable(self, config: AgentConfig, manifest: Manifest) -> str | None:
        threshold, calibration = config.confidence_threshold, manifest.calibration
        if threshold is None:
            return None
        symbols = config.symbols or self._market.symbols()
        known = calibrated_symbols(manifest, source=self._market.source)
        blocked = [symbol for symbol in symbols if symbol not in known]
        if blocked:
            return (
                f"{_tag(manifest)} has no calibrated confidence for {', '.join(blocked)} on this market: every "
                "risk-increasing decision there will be blocked as uncalibrated"
            )
        if calibration is not None and calibration.highest < threshold:
            return f"the highest confidence that {_tag(manifest)} can give is {calibration.highest:g}"
        return None


def _check_live(config: AgentConfig, manifest: Manifest) -> None:
    if config.capital_usd is None:
        raise InvalidField("config.capital_usd", "needed for live execution")
    _check_calibrated(manifest, field="config.model_type")


def _check_calibrated(manifest: Manifest, *, field: str) -> None:
    if manifest.calibration is None or not manifest.calibration.informative:
        raise InvalidField(field, f"{_tag(manifest)} is not calibrated, as live execution needs it")


def _tag(manifest: Manifest) -> str:
    return f"{manifest.name}:{manifest.version}"
