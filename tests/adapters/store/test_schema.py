"""Before any worker opens it a database has the tables of this version, or is refused with what to do."""

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from adapters.store.engine import Location, locate
from adapters.store.schema import alembic_config, in_transaction, prepare, revision, steps
from adapters.store.tables import METADATA
from tests.fakes.postgres import PASSWORD, cluster
from tests.fakes.served import free_port
from trading.errors import StoreRefused


def run(location: Location, statement: str) -> None:
    in_transaction(location, lambda connection: connection.execute(text(statement)).close())


def test_the_steps_lead_to_exactly_the_tables_of_this_version(location: Location) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    assert in_transaction(location, differences) == []


def test_preparing_again_changes_nothing(location: Location) -> None:
    run(location, "INSERT INTO secrets VALUES ('a', '1')")
    prepare(location)
    assert revision(location) == steps()[0]
    run(location, "UPDATE secrets SET value = '2' WHERE name = 'a'")


@pytest.mark.parametrize("before", ["d011281356e1", "7b2c90d4e6af"])
def test_orders_and_fills_of_an_earlier_version_stay_and_do_not_know_what_it_did_not_keep(
    location: Location, before: str
) -> None:
    known = ", ".join(f"'{value}'" for value in ("rl-1", "amy", "BTC", "paper", "rl"))
    order = """client_order_id, user_id, symbol, mode, arm, decision_id, side, quantity, reference_price, reduces,
        state, working, created_at, boot, deadline_monotonic, deadline_at, epoch, venue, filled_quantity, told_fee"""
    fill = "client_order_id, user_id, symbol, mode, arm, side, quantity, price, fee, realized, at"
    in_transaction(location, lambda connection: command.downgrade(alembic_config(connection), before))
    run(
        location,
        f"""INSERT INTO orders ({order}) VALUES ({known}, '1', 'BUY', '3', '100', false, 'filled', false, 1.5, 'boot',
        1.5, 1.5, 1, 'paper', '3', '0.1')""",  # noqa: S608 - words of ours only
    )
    run(location, f"INSERT INTO fills ({fill}) VALUES ({known}, 'BUY', '3', '100', '0.1', '0', 2.5)")  # noqa: S608 - as above
    prepare(location)

    def kept(connection: Connection) -> list[tuple[object, ...]]:
        joined = """SELECT orders.quantity, orders.market_at, experiment, experiment_run, experiment_version,
            fills.quantity, fills.at, ordered_at, fills.market_at, held
            FROM orders JOIN fills USING (client_order_id)"""
        return [tuple(row) for row in connection.execute(text(joined))]

    assert revision(location) == steps()[0]
    assert in_transaction(location, kept) == [("3", None, None, None, None, "3", 2.5, None, None, None)]


def test_tables_of_a_later_version_are_refused(location: Location) -> None:
    run(location, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreRefused, match=r"another version of the service.*9999"):
        prepare(location)
    assert revision(location) == "9999"


def test_replicas_that_start_together_prepare_it_once() -> None:
    location = locate(cluster().url(cluster().new_database()), Path())

    async def scenario() -> None:
        await asyncio.gather(*(asyncio.to_thread(prepare, location) for _ in range(4)))

    asyncio.run(scenario())
    assert revision(location) == steps()[0]


def test_an_empty_database_has_no_revision(tmp_path: Path) -> None:
    assert revision(locate(cluster().url(cluster().new_database()), tmp_path)) is None


def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"check that the server runs") as refused:
        prepare(locate(cluster().url("rl", port=free_port()), tmp_path))
    assert PASSWORD not in str(refused.value)


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreRefused, match=r"move it and its -wal file away"):
        prepare(locate(None, tmp_path))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"store\.sqlite"):
        prepare(locate(None, tmp_path / "none"))
