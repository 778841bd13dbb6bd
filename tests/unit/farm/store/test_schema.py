"""Tables, entities and migrations say the same."""

from dataclasses import fields
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from farm.store import migrations
from farm.store.schema import TABLES, metadata
from farm.store.writer import FILE_NAME, Store
from scheduler.model import Durable


def test_every_durable_entity_has_a_table() -> None:
    assert set(TABLES) == set(Durable.__args__)


def test_every_field_has_a_column() -> None:
    for entity, table in TABLES.items():
        names = {item.name for item in fields(entity)}
        if "withdrawn" in names:  # a pair: two columns
            names = (names - {"withdrawn"}) | {"withdrawn_generation", "withdrawn_version"}
        assert names == set(table.columns.keys()), entity.__name__


async def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / FILE_NAME}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        assert migrations.current(connection) == migrations.HEAD
    engine.dispose()
    assert differences == []


def test_head_is_the_newest_script() -> None:
    scripts = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
    assert scripts[-1].name.startswith(migrations.HEAD)
