"""What each user trades with: as it was when they came under an experiment, or as their agent says now."""

from collections.abc import Mapping

from ab.outcomes import Allotment
from adapters.store.agents import list_agents
from adapters.store.entry_allotments import KeptAllotment
from trading.agents import AgentConfig
from trading.sizing import allotted_usd
from wiring.stores import OpenStore

AGENTS = 1000
# Of users without an agent nobody knows what they trade with: they are judged by the symbols they ask about.
NOBODY = Allotment(symbols=1, capital_usd=None)


def read_agents(store: OpenStore) -> Mapping[str, AgentConfig]:
    """How every agent is configured, by user. Raises StoreRefused."""
    found: dict[str, AgentConfig] = {}
    after: str | None = None
    while page := store.read(list_agents(after_user=after, limit=AGENTS, state=None)):
        found |= {agent.user_id: agent.config for agent in page}
        after = page[-1].user_id
    return found


def allotment_for(config: AgentConfig | None, symbols: int) -> Allotment:
    """What the user of an agent, or of none, trades with in a market of so many symbols."""
    if config is None:
        return NOBODY
    return Allotment(symbols=len(config.symbols) or symbols, capital_usd=allotted_usd(config))


def allotment_at_entry(kept: KeptAllotment | None, symbols: int) -> Allotment:
    """What a user traded with at the entry, in a market of so many symbols; None: it was not kept."""
    if kept is None or kept.symbols is None:
        return NOBODY
    return Allotment(symbols=kept.symbols or symbols, capital_usd=kept.capital_usd)
