"""python -m adapters.store "what changes": writes the migration from the tables as they are to those of tables.py."""

import sys

from alembic import command
from sqlalchemy import create_engine

from adapters.store.schema import alembic_config


def main() -> int:
    """Write one step; 0 when it is written."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with create_engine("sqlite://").begin() as connection:
        config = alembic_config(connection)
        command.upgrade(config, "head")
        command.revision(config, sys.argv[1], autogenerate=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
