"""The plan of an experiment of which nobody has said more than its share."""

from ab.plan import Analysis, Guard, Guardrail, OutcomeSource, Plan, Response, Stage

# Judged daily over thirty days. A day's profit is cut to 5 % of the capital either way, so that no single user's day
# decides; a policy that costs less than 5 basis points a day counts as no worse than the rule.
ANALYSIS = Analysis(
    source=OutcomeSource.AS_IF,
    looks=30,
    look_days=1.0,
    alpha=0.05,
    margin_bps=5.0,
    lowest_bps=-500.0,
    highest_bps=500.0,
)

# What loses money ends it, at once and without a statistic: a tenth of the capital in a day, a fifth in all. What may
# have other causes than the policy pauses it, once there are enough user-days to tell a habit from an accident; a
# turnover of 24 is the whole capital every hour. A slow answer only keeps the share from growing.
GUARDRAILS = (
    Guardrail(guard=Guard.DAILY_LOSS, limit=1000.0, response=Response.ROLL_BACK, min_units=0),
    Guardrail(guard=Guard.DRAWDOWN, limit=2000.0, response=Response.ROLL_BACK, min_units=0),
    Guardrail(guard=Guard.TAIL_LOSS, limit=1500.0, response=Response.PAUSE, min_units=100),
    Guardrail(guard=Guard.TURNOVER, limit=24.0, response=Response.PAUSE, min_units=20),
    Guardrail(guard=Guard.FEES, limit=200.0, response=Response.PAUSE, min_units=20),
    Guardrail(guard=Guard.REJECTED_ORDERS, limit=0.2, response=Response.PAUSE, min_units=20),
    Guardrail(guard=Guard.ERRORS, limit=0.1, response=Response.PAUSE, min_units=20),
    Guardrail(guard=Guard.LATENCY, limit=1000.0, response=Response.HOLD, min_units=20),
)


def default_plan(key: str, salt: str, share: float) -> Plan:
    """One open-ended stage at `share` (0..1), which an operator changes by `configure`; each agent's own model."""
    stage = Stage(share=share, min_days=0.0, min_units=0, approval=False, max_notional_usd=None)
    return Plan(
        key=key,
        salt=salt,
        model=None,
        holdout_share=0.0,
        stages=(stage,),
        analysis=ANALYSIS,
        guardrails=GUARDRAILS,
    )
