"""Migrations with the real Alembic: what it generates for columns of files, and the table of the journal."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from fixture_types import Engines
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import FileColumn, FileListColumn, ImageColumn, ImageListColumn, Journal

docs = fs.Storage('docs', fs.ALL)


class Base(DeclarativeBase):
    pass


class Report(Base):
    __tablename__ = 'report'

    id: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[Any] = mapped_column(FileColumn(docs, upload_to='reports'))
    picture: Mapped[Any] = mapped_column(ImageColumn(docs, thumbnails=[32]), nullable=True)
    files: Mapped[Any] = mapped_column(FileListColumn(docs))
    pictures: Mapped[Any] = mapped_column(ImageListColumn(docs), nullable=True)
    legacy: Mapped[Any] = mapped_column(FileColumn(docs, text=True), nullable=True)


journal = Journal(Base.metadata)

ENV = """
from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes['connection'], **attributes['options'])
with context.begin_transaction():
    context.run_migrations()
"""


class Alembic:
    """A folder of migrations of one database."""

    def __init__(self, folder: Path, engine: sa.Engine) -> None:
        self.engine = engine
        self.folder = folder / 'migrations'
        self.output = io.StringIO()
        self.config = Config(folder / 'alembic.ini', output_buffer=self.output, stdout=self.output)
        self.config.set_main_option('script_location', str(self.folder))
        command.init(self.config, str(self.folder))
        (self.folder / 'env.py').write_text(ENV)

    def run(self, run: Callable[..., Any], *args: Any, metadata: Any = None, **kwargs: Any) -> Any:
        """Call *run* of alembic.command."""
        from flask_fs_sqlalchemy.alembic import render_item

        options = {'target_metadata': metadata, 'render_item': render_item}
        with self.engine.begin() as connection:
            self.config.attributes.update(connection=connection, options=options)
            return run(self.config, *args, **kwargs)

    def tables(self) -> set[str]:
        return set(sa.inspect(self.engine).get_table_names()) - {'alembic_version'}


@pytest.fixture
def alembic(database_url: str, engines: Engines, tmp_path: Path) -> Alembic:
    return Alembic(tmp_path, engines(database_url))


def test_a_generated_migration_names_plain_types_and_no_storage(alembic: Alembic) -> None:
    script = alembic.run(command.revision, autogenerate=True, metadata=Base.metadata)
    text = Path(script.path).read_text()

    json = "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    for line in (
        'from sqlalchemy.dialects import postgresql',
        f"sa.Column('document', {json}, nullable=False)",
        f"sa.Column('picture', {json}, nullable=True)",
        f"sa.Column('files', {json}, nullable=False)",
        f"sa.Column('pictures', {json}, nullable=True)",
        "sa.Column('legacy', sa.Text(), nullable=True)",
        "op.create_table('fs_journal'",
        "mysql_collate='utf8mb4_bin'",
    ):
        assert line in text
    assert 'flask_fs' not in text
    assert 'docs' not in text


def test_after_a_generated_migration_nothing_differs(alembic: Alembic) -> None:
    alembic.run(command.revision, autogenerate=True, metadata=Base.metadata)
    alembic.run(command.upgrade, 'head')

    alembic.run(command.check, metadata=Base.metadata)
    assert alembic.tables() == {'fs_journal', 'report'}


def test_a_generated_migration_goes_down_again(alembic: Alembic) -> None:
    alembic.run(command.revision, autogenerate=True, metadata=Base.metadata)
    alembic.run(command.upgrade, 'head')
    alembic.run(command.downgrade, 'base')

    assert alembic.tables() == set()


def test_a_generated_table_works(alembic: Alembic) -> None:
    alembic.run(command.revision, autogenerate=True, metadata=Base.metadata)
    alembic.run(command.upgrade, 'head')
    with Session(alembic.engine) as session:
        session.add(Report(document='a.txt', files=['b.txt'], legacy='c.txt'))
        session.commit()
        session.expire_all()
        report = session.scalars(sa.select(Report).where(Report.document['filename'].as_string() == 'a.txt')).one()
        assert (report.document.filename, report.legacy.filename) == ('a.txt', 'c.txt')
    journal.of(alembic.engine).pending('docs', 'ä😀.txt')

    assert [entry.filename for entry in journal.of(alembic.engine).entries(0)] == ['ä😀.txt']


def test_a_column_that_was_added_is_found(alembic: Alembic) -> None:
    metadata = sa.MetaData()
    sa.Table('report', metadata, sa.Column('id', sa.Integer, primary_key=True))
    metadata.create_all(alembic.engine)
    sa.Table('report', metadata, sa.Column('document', FileColumn(docs)), extend_existing=True)
    script = alembic.run(command.revision, autogenerate=True, metadata=metadata)

    json = "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    assert f"op.add_column('report', sa.Column('document', {json}, nullable=True))" in Path(script.path).read_text()


def test_other_types_are_rendered_as_before(alembic: Alembic) -> None:
    metadata = sa.MetaData()
    sa.Table('other', metadata, sa.Column('data', sa.JSON), sa.Column('text', sa.String(7)))
    text = Path(alembic.run(command.revision, autogenerate=True, metadata=metadata).path).read_text()

    assert "sa.Column('data', sa.JSON(), nullable=True)" in text
    assert "sa.Column('text', sa.String(length=7), nullable=True)" in text


SHIPPED = 'flask_fs_sqlalchemy:migrations/versions'


def with_shipped(alembic: Alembic) -> None:
    alembic.config.set_main_option('path_separator', 'space')
    alembic.config.set_main_option('version_locations', f'{alembic.folder}/versions {SHIPPED}')


def test_the_shipped_migration_creates_and_drops_the_table(alembic: Alembic) -> None:
    metadata = sa.MetaData()
    Journal(metadata)
    with_shipped(alembic)
    alembic.run(command.upgrade, 'heads')
    assert alembic.tables() == {'fs_journal'}
    alembic.run(command.check, metadata=metadata)
    alembic.run(command.downgrade, 'flask_fs@base')

    assert alembic.tables() == set()


def test_the_shipped_migration_is_a_branch_beside_those_of_the_application(alembic: Alembic) -> None:
    metadata = sa.MetaData()
    Journal(metadata)
    with_shipped(alembic)
    alembic.run(command.upgrade, 'heads')
    sa.Table('mine', metadata, sa.Column('id', sa.Integer, primary_key=True))
    options = {'head': 'base', 'splice': True, 'version_path': f'{alembic.folder}/versions'}
    text = Path(alembic.run(command.revision, autogenerate=True, metadata=metadata, **options).path).read_text()
    alembic.run(command.upgrade, 'heads')

    assert 'fs_journal' not in text
    assert alembic.tables() == {'fs_journal', 'mine'}
    alembic.run(command.check, metadata=metadata)


def test_the_only_shipped_migration_has_no_predecessor(alembic: Alembic) -> None:
    with_shipped(alembic)
    scripts = ScriptDirectory.from_config(alembic.config)

    assert [script.revision for script in scripts.walk_revisions()] == ['fs_journal_1']
    assert scripts.get_base() == 'fs_journal_1'


OWN = """
from alembic import op
from flask_fs_sqlalchemy import migrations

revision = 'a1'
down_revision = None


def upgrade():
    migrations.upgrade(op, 'files')


def downgrade():
    migrations.downgrade(op, 'files')
"""


def test_a_migration_of_the_application_creates_a_table_with_another_name(alembic: Alembic) -> None:
    metadata = sa.MetaData()
    Journal(metadata, 'files')
    (alembic.folder / 'versions' / 'a1.py').write_text(OWN)
    alembic.run(command.upgrade, 'head')
    alembic.run(command.check, metadata=metadata)
    assert alembic.tables() == {'files'}
    alembic.run(command.downgrade, 'base')

    assert alembic.tables() == set()
