"""What import-linter cannot see: the modules at the root, and which third parties each part may know."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"service", "routes", "schemas", "settings", "wiring", "trading", "rl_models", "ab", "adapters"}

MAY_KNOW = {
    "settings.py": {"trading"},
    "service.py": {"routes", "schemas", "settings", "trading", "wiring"},
}


def imported(path: Path) -> set[str]:
    """The top-level names of everything a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("name", MAY_KNOW)
def test_a_module_at_the_root_imports_only_what_its_room_may_know(name: str) -> None:
    assert imported(ROOT / name) & OURS <= MAY_KNOW[name]


def test_bentoml_is_known_to_the_door_and_the_model_store_only() -> None:
    product = [*ROOT.glob("*.py"), *(path for part in OURS for path in (ROOT / part).rglob("*.py"))]
    knowing = {str(path.relative_to(ROOT)) for path in product if imported(path) & {"bentoml", "_bentoml_sdk"}}
    assert knowing == {"service.py", "adapters/model_store.py"}


def test_the_rules_import_the_standard_library_only() -> None:
    foreign = {"numpy", "scipy", "pydantic", "talib", "onnxruntime", "prometheus_client", "starlette", "bentoml"}
    for part in ("trading", "ab"):
        for path in (ROOT / part).rglob("*.py"):
            allowed = {"numpy"} if path.is_relative_to(ROOT / "ab" / "statistics") else set()
            assert not imported(path) & (foreign - allowed), path


def test_only_settings_read_the_environment() -> None:
    for part in OURS:
        for path in [ROOT / f"{part}.py", *(ROOT / part).rglob("*.py")]:
            if path.is_file() and path.name != "settings.py":
                assert not {"os.environ", "getenv"} & set(path.read_text().replace("(", " ").split()), path


def test_the_root_is_a_table_of_contents() -> None:
    visible = [path.name for path in ROOT.iterdir() if not path.name.startswith((".", "__"))]
    assert len(visible) <= 24, sorted(visible)


@pytest.mark.parametrize("part", ["routes", "schemas", "trading", "rl_models", "ab", "adapters", "wiring"])
def test_a_packages_init_is_one_docstring(part: str) -> None:
    body = ast.parse((ROOT / part / "__init__.py").read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


def test_what_is_shipped_has_every_package() -> None:
    bento, project = ((ROOT / name).read_text() for name in ("bentofile.yaml", "pyproject.toml"))
    for part in OURS:
        if (ROOT / part).is_dir():
            assert f'- "{part}/**"' in bento, part
            assert f'"{part}*"' in project, part


def test_the_version_is_the_same_everywhere() -> None:
    from wiring.status import VERSION

    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_imports_land_where_the_service_looks() -> None:
    options = pytest.importorskip("rl_models.training.options", reason="needs the train extra")
    from settings import Settings
    from wiring.models import IMPORTED

    assert Settings.model_fields["data_dir"].default / IMPORTED == options.OWN_BUNDLES
