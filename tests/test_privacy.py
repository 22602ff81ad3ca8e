"""Nothing of ours tells strangers about our models."""

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_onnxruntime_holds_no_telemetry_uploader() -> None:
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    libraries = list(Path(spec.origin).parent.glob("capi/*.so*"))
    assert libraries
    for library in libraries:
        assert b"OneCollector" not in library.read_bytes(), f"{library.name} sends model names and hashes to its maker"


def test_make_and_the_image_tell_bentoml_not_to_report() -> None:
    assert "export BENTOML_DO_NOT_TRACK ?= True" in (ROOT / "Makefile").read_text()
    assert "BENTOML_DO_NOT_TRACK" in (ROOT / "bentofile.yaml").read_text()
