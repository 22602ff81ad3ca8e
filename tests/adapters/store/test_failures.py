"""What a database's error says of the next statement: try again, try later, or never this one."""

import pytest
from sqlalchemy.exc import DBAPIError

from adapters.store.failures import RefusedStatement, is_away, unavailable


class Coded(Exception):
    """A driver's error with PostgreSQL's code."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("told by the server")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("code", "away", "refused"),
    [
        ("25006", True, False),  # a standby: it may become, or give way to, a primary
        ("25P03", True, False),  # it closed the connection
        ("25P02", False, False),
        ("57P01", True, False),
        ("40P01", False, False),  # a deadlock: the same may be done the next time
        ("22021", False, True),
        ("23502", False, True),
        ("42P01", False, True),
    ],
)
def test_a_code_means_that_the_database_is_away_or_that_it_refuses_a_statement(
    code: str, away: bool, refused: bool
) -> None:
    error = DBAPIError("a statement", None, Coded(code))
    assert is_away(error) is away
    assert isinstance(unavailable(error), RefusedStatement) is refused
