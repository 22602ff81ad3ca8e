"""How long models took to answer, on its way from the worker that knows it to the command that is asked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ab.hits import Subject
from ab.metrics import LatencyBucket
from trading.vocabulary import Arm

Latencies = Mapping[Subject, Sequence[LatencyBucket]]


def latencies_of(model_seconds: Mapping[tuple[str, str, str], Sequence[tuple[float, int]]]) -> Latencies:
    """From what the metrics count, see Metrics.model_seconds."""
    return {
        Subject(model=model, version=version, arm=Arm(arm)): [
            LatencyBucket(upper_ms=1000.0 * upper_s, count=count) for upper_s, count in buckets
        ]
        for (model, version, arm), buckets in model_seconds.items()
    }


def latencies_of_arm(arm: Arm, latencies: Latencies) -> Sequence[LatencyBucket]:
    """Those of all models that answered for an arm."""
    counts: dict[float, int] = {}
    for subject, buckets in latencies.items():
        if subject.arm is arm:
            for each in buckets:
                counts[each.upper_ms] = counts.get(each.upper_ms, 0) + each.count
    return [LatencyBucket(upper_ms=upper_ms, count=counts[upper_ms]) for upper_ms in sorted(counts)]


def latencies_text(latencies: Latencies) -> str:
    """As an argument of the command."""
    # A bound may be infinite, which JSON has no number for.
    return json.dumps(
        [
            {**asdict(subject), "buckets": [[str(each.upper_ms), each.count] for each in buckets]}
            for subject, buckets in latencies.items()
        ]
    )


def latencies_from(text: str) -> Latencies:
    """From the argument. Raises ValueError for any other text."""
    try:
        return {
            Subject(model=one["model"], version=one["version"], arm=Arm(one["arm"])): [
                LatencyBucket(upper_ms=float(upper_ms), count=int(count)) for upper_ms, count in one["buckets"]
            ]
            for one in json.loads(text)
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"no latencies: {error}") from error
