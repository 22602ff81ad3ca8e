"""The page of settings is what the code says."""

from pathlib import Path

from settings import settings_table

PAGE = Path(__file__).parents[2] / "docs/settings.md"


def test_the_table_is_the_one_the_command_prints() -> None:
    assert PAGE.read_text().endswith(settings_table() + "\n")
