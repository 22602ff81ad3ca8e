"""The store as commands beside the service read and write it."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.store.choices import ACTIVE_MODEL, choose
from tests.fakes.postgres import PASSWORD, cluster
from tests.fakes.served import free_port
from tests.fakes.settings import settings
from trading.errors import OperatorNeeded, StoreRefused
from wiring.stores import find_store, read_active_model, tell, write_active_model


def test_without_a_database_url_the_store_is_a_file_in_data_dir(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert find_store(found).file == found.data_dir / "store.sqlite"


def test_before_any_store_is_made_nothing_is_active_and_none_is_made(tmp_path: Path) -> None:
    assert read_active_model(find_store(settings(tmp_path))) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_was_activated_last_is_active_for_the_next_process(tmp_path: Path, database: str) -> None:
    url = SecretStr(cluster().url(cluster().new_database())) if database == "postgresql" else None
    location = find_store(settings(tmp_path, database_url=url))
    write_active_model(location, "ppo:1")
    write_active_model(location, "ppo:2")
    assert read_active_model(location) == "ppo:2"


def test_a_damaged_record_is_told_with_what_to_do(tmp_path: Path) -> None:
    location = find_store(settings(tmp_path))
    tell(location, choose(ACTIVE_MODEL, "{"))
    with pytest.raises(ValueError, match="activate a bundle again"):
        read_active_model(location)


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    location = find_store(settings(tmp_path, database_url=SecretStr(cluster().url("rl", port=free_port()))))
    for call in (lambda: read_active_model(location), lambda: write_active_model(location, "ppo:1")):
        with pytest.raises(StoreRefused) as refused:
            call()
        assert "127.0.0.1" in str(refused.value)
        assert PASSWORD not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file")
    with pytest.raises(OperatorNeeded, match=r"DATA_DIR .*occupied"):
        write_active_model(find_store(settings(tmp_path, data_dir=tmp_path / "occupied" / "data")), "ppo:1")
