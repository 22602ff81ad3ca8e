"""What the outputs of a network mean: from raw scores to target exposures, under a mask.

Exposures are shares of the symbol's capital: 0 is flat, 1 fully invested.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from rl_models.strict_json import Fields, Json
from trading.errors import BundleRefused

VERBS = ("BUY", "HOLD", "SELL")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteExposure:
    """Output i is the wish for exposure `levels[i]`."""

    levels: tuple[float, ...]

    @property
    def outputs(self) -> int:
        """How many scores the network has to give."""
        return len(self.levels)

    def target(self, place: int, exposure: float) -> float:
        """The exposure that output `place` means when `exposure` is held."""
        return self.levels[place]

    def keeps(self, place: int) -> bool:
        """No output means to keep whatever is held."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """Output i is the wish for `verbs[i]`: BUY goes to `buy_exposure`, SELL to `sell_exposure`, HOLD keeps it."""

    verbs: tuple[str, ...]
    buy_exposure: float
    sell_exposure: float

    @property
    def outputs(self) -> int:
        """How many scores the network has to give."""
        return len(self.verbs)

    def target(self, place: int, exposure: float) -> float:
        """The exposure that output `place` means when `exposure` is held."""
        if self.keeps(place):
            return exposure
        return self.buy_exposure if self.verbs[place] == "BUY" else self.sell_exposure

    def keeps(self, place: int) -> bool:
        """True when output `place` means to keep whatever is held."""
        return self.verbs[place] == "HOLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousExposure:
    """One output in `output_low`..`output_high`, mapped linearly onto `low`..`high` and clipped there."""

    low: float
    high: float
    output_low: float
    output_high: float

    @property
    def outputs(self) -> int:
        """How many scores the network has to give."""
        return 1

    @property
    def largest(self) -> float:
        """The largest exposure it can ask for, long or short."""
        return max(abs(self.low), abs(self.high))

    def target(self, output: float) -> float:
        """The exposure that an output means."""
        share = (output - self.output_low) / (self.output_high - self.output_low)
        return self.low + (self.high - self.low) * min(max(share, 0.0), 1.0)


ChoiceSemantics: TypeAlias = DiscreteExposure | Verbs
ActionSemantics: TypeAlias = ChoiceSemantics | ContinuousExposure
Mask: TypeAlias = Callable[[float, ChoiceSemantics], list[bool]]


def no_repeat(exposure: float, action: ChoiceSemantics) -> list[bool]:
    """Which outputs are allowed: all but the one that aims at the level held already.

    Exposure drifts with the price, so the level held is the one nearest to `exposure`, if it is nearer than half the
    distance from that level to the next; further away none is held. The levels of verbs are those of BUY and SELL.
    """
    if isinstance(action, Verbs):
        held = _held((action.sell_exposure, action.buy_exposure), exposure)
        return [verb == "HOLD" or action.target(place, exposure) != held for place, verb in enumerate(action.verbs)]
    held = _held(action.levels, exposure)
    return [level != held for level in action.levels]


def _held(levels: tuple[float, ...], exposure: float) -> float | None:
    nearest = min(levels, key=lambda level: abs(level - exposure))
    apart = min(abs(level - nearest) for level in levels if level != nearest)
    return nearest if abs(nearest - exposure) < apart / 2 else None


MASKS: dict[str, Mask | None] = {"none": None, "no_repeat": no_repeat}


def action_to_json(action: ActionSemantics) -> dict[str, Json]:
    """The `action` object of a manifest."""
    match action:
        case DiscreteExposure():
            return {"kind": "discrete_exposure", "levels": list(action.levels)}
        case Verbs():
            return {
                "kind": "verbs",
                "verbs": list(action.verbs),
                "buy_exposure": action.buy_exposure,
                "sell_exposure": action.sell_exposure,
            }
        case ContinuousExposure():
            names = ("low", "high", "output_low", "output_high")
            return {"kind": "continuous_exposure"} | {name: getattr(action, name) for name in names}


def action_from_json(value: object, where: str) -> ActionSemantics:
    """The meaning a manifest declares. Raises BundleRefused."""
    fields = Fields(value, where)
    kind = fields.text("kind")
    if kind not in _READERS:
        raise fields.refusal("kind", f"one of {sorted(_READERS)}")
    action = _READERS[kind](fields)
    fields.end()
    check_action(action, where)
    return action


# A hundred times the capital is more than any venue lends; products of larger numbers would end as infinity.
LARGEST_EXPOSURE = 100.0
LARGEST_OUTPUT = 1e6


def check_action(action: ActionSemantics, where: str) -> None:
    """Raises BundleRefused when the declared meaning is ambiguous, empty, or no exposure anybody holds."""
    match action:
        case DiscreteExposure(levels=levels):
            exposures = levels
            sound = len(levels) >= 2 and len(set(levels)) == len(levels)
            problem = "levels must be two or more, each once"
        case Verbs(verbs=verbs):
            exposures = (action.sell_exposure, action.buy_exposure)
            sound = len(verbs) >= 2 and len(set(verbs)) == len(verbs) and set(verbs) <= set(VERBS)
            sound = sound and action.sell_exposure < action.buy_exposure
            problem = f"verbs must be two or more of {VERBS}, each once, with sell_exposure < buy_exposure"
        case ContinuousExposure():
            exposures = (action.low, action.high)
            outputs = max(abs(action.output_low), abs(action.output_high))
            sound = action.low < action.high and action.output_low < action.output_high and outputs <= LARGEST_OUTPUT
            problem = f"low < high and output_low < output_high must hold, outputs within {LARGEST_OUTPUT:g}"
    if not sound:
        raise BundleRefused(f"{where}: {problem}")
    if max(map(abs, exposures)) > LARGEST_EXPOSURE:
        raise BundleRefused(f"{where}: an exposure beyond {LARGEST_EXPOSURE:g} times the capital")


def _read_levels(fields: Fields) -> DiscreteExposure:
    return DiscreteExposure(levels=fields.numbers("levels"))


def _read_verbs(fields: Fields) -> Verbs:
    return Verbs(
        verbs=fields.texts("verbs"),
        buy_exposure=fields.number("buy_exposure"),
        sell_exposure=fields.number("sell_exposure"),
    )


def _read_continuous(fields: Fields) -> ContinuousExposure:
    return ContinuousExposure(
        low=fields.number("low"),
        high=fields.number("high"),
        output_low=fields.number("output_low"),
        output_high=fields.number("output_high"),
    )


_READERS: dict[str, Callable[[Fields], ActionSemantics]] = {
    "discrete_exposure": _read_levels,
    "verbs": _read_verbs,
    "continuous_exposure": _read_continuous,
}
