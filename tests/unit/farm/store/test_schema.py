"""Tables, entities and migrations say the same."""

import sqlite3
from dataclasses import fields
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from farm.store import migrations
from farm.store.schema import TABLES, metadata
from farm.store.writer import FILE_NAME, Store
from scheduler.model import Durable, Verdict


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


async def test_a_database_of_the_release_before_opens_and_its_programs_go_on_printing(tmp_path: Path) -> None:
    """As issue 4 left it: what was printable stays so, as not checked yet; what was a revision is a released one."""
    await (await Store.open(tmp_path)).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as old:
        for table in ("program_facts", "program_reports", "requesters", "approvals", "audit"):
            old.execute(f"DROP TABLE {table}")
        added = {
            "jobs": ("detail_fr", "detail_code"),
            "revisions": ("draft", "released_by", "released_at_s"),
            "orders": ("requester",),
            "programs": (
                *("uploaded_sha256", "verdict", "checked", "profile_revision", "rule_set", "trust"),
                *("released_by", "released_at_s", "released_for", "release_reason", "worse_since_s"),
            ),
        }
        for table, columns in added.items():
            for column in columns:
                old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        old.execute("UPDATE alembic_version SET version_num = '0002'")
        old.execute("INSERT INTO revisions VALUES ('r1', 'd1', 0.0, 0)")
        old.execute("INSERT INTO orders VALUES ('o1', 'r1', 4, 0, 'Palaiseau', 0.0, 1, 0, 0, NULL)")
        figures = "1, 'PLA', 0.4, 903, 3600.0, 1.0, 1.0, 4, 120.0, 110.0, 1.2, 0.0, '[]'"
        old.execute(f"INSERT INTO programs VALUES ('{'a' * 64}', 'frame', 'r1', 'generic-210', {figures})")
    old.close()

    store = await Store.open(tmp_path)
    farm = await store.load()
    await store.close()
    program, revision = farm.programs["a" * 64], farm.revisions["r1"]
    assert (program.verdict, program.usable, program.checked, program.rule_set) == (Verdict.PASS, True, "", 0)
    assert (revision.draft, revision.recalled, revision.released_by) == (False, False, "")
    assert farm.orders["o1"].requester == ""
    assert len(store.backups.list()) == 1  # the old one was copied first


async def test_jobs_of_before_have_their_english_only(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as old:
        for column in ("detail_fr", "detail_code"):
            old.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
        old.execute("UPDATE alembic_version SET version_num = '0003'")
        what = "'j1', 'n1', 'p1', 'a1', 'o1', 'r1', 'sha', 2, 60.0, 1.0, 2.0, 'failed', 'The printer was reset.', 0, 3.0"
        old.execute(f"INSERT INTO jobs VALUES ({what}, NULL, NULL, 0, 0, 1)")
    old.close()

    store = await Store.open(tmp_path)
    job = (await store.load()).jobs["j1"]
    await store.close()
    assert (job.detail, job.detail_fr, job.detail_code) == ("The printer was reset.", "", "")
    assert len(store.backups.list()) == 1
