"""What a manifest keeps about training can be read back as it was written."""

import json

import pytest

from rl_models.strict_json import dump_json
from rl_models.training.provenance import provenance_from_json
from tests.fakes.results import PROVENANCE
from trading.errors import BundleRefused


def test_a_provenance_survives_its_json() -> None:
    assert provenance_from_json(json.loads(dump_json(PROVENANCE.to_json()))) == PROVENANCE


@pytest.mark.parametrize("field", ["data", "run", "folds", "curves"])
def test_a_provenance_without_a_part_is_refused_by_name(field: str) -> None:
    written = json.loads(dump_json(PROVENANCE.to_json()))
    del written[field]
    with pytest.raises(BundleRefused, match=field):
        provenance_from_json(written)
