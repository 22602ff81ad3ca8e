"""The texts under which the store keeps an experiment: the events of its log, and what they add up to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TypeVar

from ab.commands import fold
from ab.state import Event, ExperimentState
from adapters.store.reading import read_value
from trading.errors import StoreRefused

Kept = TypeVar("Kept", Event, ExperimentState)

# What the texts of before these fields do not have, and stands for.
_LATER: Mapping[type[Event] | type[ExperimentState], Mapping[str, object]] = {
    Event: {"through": None},
    ExperimentState: {
        "missing_accepted_through": None,
        "missing_accepted_reason": None,
        "paused_from": None,
        "phase_since_s": None,
        "phase_reason": None,
        "ended_at_s": None,
    },
}


def event_text(event: Event) -> str:
    """The JSON of an event; the same event the same text. Raises ValueError for a number that is not finite."""
    return _text(event)


def event_from(text: str) -> Event:
    """The event whose text this is. Raises StoreRefused for any other text."""
    return _from(Event, text)


def state_text(state: ExperimentState) -> str:
    """The JSON of an experiment; the same state the same text. Raises ValueError for a number that is not finite."""
    return _text(state)


def state_from(text: str) -> ExperimentState:
    """The experiment whose text this is. Raises StoreRefused for any other text."""
    return _from(ExperimentState, text)


def state_after(texts: Sequence[str]) -> ExperimentState | None:
    """What a log adds up to whose events have these texts, the first one first; None when there are none.

    Raises StoreRefused.
    """
    state = None
    for event in map(event_from, texts):
        try:
            state = fold(state, event)
        except ValueError as error:
            raise StoreRefused(f"the log of an experiment is damaged: {error}") from error
    return state


def _text(kept: Event | ExperimentState) -> str:
    return json.dumps(asdict(kept), separators=(",", ":"), allow_nan=False)


def _from(kind: type[Kept], text: str) -> Kept:
    try:
        kept = json.loads(text)
        return read_value(kind, {**_LATER[kind], **kept} if isinstance(kept, dict) else kept)
    except ValueError as error:
        raise StoreRefused(f"the log of an experiment is damaged: {error}") from error
