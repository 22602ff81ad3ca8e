"""What the last evaluation of each experiment found, or why it failed, as the store keeps it for every worker."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from ab.results import Findings
from ab.state import ExperimentState
from adapters.store.reading import read_value
from trading.errors import StoreRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The findings on an experiment as it was at a version, in a run.

    Making them took `seconds` of a processor, the start of the process that did among them.
    """

    version: int
    run: int
    seconds: float
    findings: Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """The evaluations of a run that failed since the last that did not: how many, and why the last of them did.

    `paused`: the engine paused the experiment for that.
    """

    run: int
    failures: int
    error: str
    paused: bool


def choice_of(key: str) -> str:
    """The name of the choice under which the last evaluation of an experiment is kept."""
    return f"findings:{key}"


def evaluated_text(evaluated: Evaluated) -> str:
    """The JSON of an evaluation. Raises ValueError for a number that is not finite: nobody may act on it."""
    return json.dumps(asdict(evaluated), separators=(",", ":"), allow_nan=False)


def evaluated_from(text: str) -> Evaluated:
    """The evaluation whose text this is. Raises StoreRefused for any other text."""
    try:
        read = read_value(Evaluated, json.loads(text))
    except (ValueError, RecursionError) as error:
        raise StoreRefused(f"the findings of an experiment are damaged: {error}") from error
    money = {one.arm: one for one in read.findings.money.values()}
    return replace(read, findings=replace(read.findings, money=money))


def kept_evaluation(text: str | None) -> Evaluated | None:
    """The evaluation that the store keeps; None for none, and for one that says less than is said now.

    Looks that were not tested over days would be taken for more than was known, and money that does not say how many
    users traded cannot be read: another is made in its place. Raises StoreRefused like `evaluated_from`.
    """
    if text is None or ('"looks":[{' in text and '"p_value_days":' not in text):
        return None
    if '"user_days":' in text and '"users_traded":' not in text:
        return None
    return evaluated_from(text)


def failing_choice_of(key: str) -> str:
    """The name of the choice under which it is kept that the evaluations of an experiment fail."""
    return f"unjudged:{key}"


def failing_text(failing: Failing | None) -> str:
    """The JSON of what fails; None: nothing does."""
    return json.dumps(None if failing is None else asdict(failing))


def failing_from(text: str | None) -> Failing | None:
    """What fails by such a text; None for nothing."""
    try:
        return None if text in (None, "null") else read_value(Failing, json.loads(text or ""))
    except (ValueError, RecursionError):
        # The next evaluation writes it anew, whichever way it ends.
        return None


class KnownFindings:
    """The last evaluations as this worker knows them; `choice` gives the text that is kept under a name."""

    def __init__(self, choice: Callable[[str], str | None]) -> None:
        self._choice = choice
        self._read: dict[str, tuple[str, Evaluated | None]] = {}

    def last(self, key: str) -> Evaluated | None:
        """The last evaluation of an experiment, of whichever run; None before the first."""
        text = self._choice(choice_of(key))
        if text is None:
            return None
        known = self._read.get(key)
        if known is None or known[0] != text:
            known = self._read[key] = text, kept_evaluation(text)
        return known[1]

    def of(self, state: ExperimentState) -> Findings | None:
        """What is known of the present run; None while nothing is."""
        evaluated = self.last(state.plan.key)
        return evaluated.findings if evaluated is not None and evaluated.run == state.run else None

    def failing(self, state: ExperimentState) -> Failing | None:
        """Why the present run cannot be judged; None where its last evaluation succeeded, and before the first."""
        failing = failing_from(self._choice(failing_choice_of(state.plan.key)))
        return failing if failing is not None and failing.run == state.run else None
