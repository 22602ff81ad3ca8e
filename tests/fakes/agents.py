"""An agent's configuration with nothing special about it."""

from trading.agents import ENSEMBLE, AgentConfig, AgentLimits, ExecutionMode

CONFIG = AgentConfig(
    model_type=ENSEMBLE,
    confidence_threshold=None,
    symbols=(),
    timeframe_s=3600,
    execution=ExecutionMode.PAPER,
    capital_usd=None,
    limits=AgentLimits(),
)
