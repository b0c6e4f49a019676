"""Columns with values that sqlalchemy-file or filedepot have stored, in the forms that these document."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, Text, create_engine, insert, select, type_coerce
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column

import flask_fs as fs
from flask_fs_sqlalchemy import (
    FileColumn,
    FileListColumn,
    FileReference,
    ImageColumn,
    MalformedReferenceWarning,
)
from flask_fs_sqlalchemy.types import FilesType
from flask_fs_sqlalchemy.upgrade import legacy_value

FILE_ID = '5b1a489e-0d33-11e4-8e2a-0800277ee230'
VALUE = {
    'filename': 'letter.txt',
    'content_type': 'text/plain',
    'file_id': FILE_ID,
    'upload_storage': 'docs',
    'path': f'docs/{FILE_ID}',
    'files': [f'docs/{FILE_ID}'],
    'uploaded_at': '2024-05-06T07:08:09',
    'saved': True,
}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine('sqlite://')
    yield engine
    engine.dispose()


def stored_in(engine: Engine, column_type: FilesType, value: Any) -> type[Any]:
    """A class of rows with one row that has *value* in its ``file``, as another library has stored it."""

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = 'row'
        id = mapped_column(Integer, primary_key=True)
        file = mapped_column(column_type, nullable=True)

    Base.metadata.create_all(engine)
    raw = json.dumps(value)
    with engine.begin() as connection:
        connection.exec_driver_sql('INSERT INTO row (file) VALUES (?)', (raw,))
    return Row


def raw_value(engine: Engine, row: type[Any]) -> Any:
    with engine.connect() as connection:
        return json.loads(connection.execute(select(type_coerce(row.file, Text()))).scalar_one())


@pytest.mark.parametrize(
    ('reads', 'text', 'value'),
    [
        ('sqlalchemy-file', False, VALUE),
        ('depot', True, {**VALUE, 'depot_name': 'docs', 'thumb_id': 'other', 'thumb_path': 'docs/other'}),
        # Only the path says it.
        ('depot', True, {'path': f'docs/{FILE_ID}', 'filename': 'letter.txt'}),
    ],
)
def test_the_file_is_found_by_its_id(engine: Engine, storage: fs.Storage, reads: Any, text: bool, value: Any) -> None:
    storage.write(FILE_ID, b'Dear reader')
    row = stored_in(engine, FileColumn(storage, reads=reads, text=text), value)
    with Session(engine) as session:
        file = session.scalars(select(row)).one().file
        assert (file.filename, file.read()) == (FILE_ID, b'Dear reader')
        assert legacy_value(file)['filename'] == 'letter.txt'
    assert raw_value(engine, row) == value


def test_a_row_that_gets_another_file_has_the_new_form(engine: Engine, storage: fs.Storage) -> None:
    storage.write(FILE_ID, b'Dear reader')
    row = stored_in(engine, FileColumn(storage, reads='sqlalchemy-file'), VALUE)
    with Session(engine) as session:
        file = session.scalars(select(row)).one().file
        file.save(io.BytesIO(b'Dear writer'), 'reply.txt')
        session.commit()
        assert legacy_value(file) == {}
    assert raw_value(engine, row) == {'filename': 'reply.txt'}


def test_a_value_that_is_written_again_loses_nothing(engine: Engine, storage: fs.Storage) -> None:
    column_type = FileColumn(storage, reads='sqlalchemy-file')
    row = stored_in(engine, column_type, VALUE)
    with Session(engine) as session:
        before = session.scalars(select(row)).one().file
        session.execute(insert(row), [{'file': before}])
        session.commit()
        one, other = session.scalars(select(row).order_by(row.id)).all()
        assert one.file == other.file
        assert legacy_value(other.file) == VALUE


def test_both_forms_may_be_in_one_column(engine: Engine, storage: fs.Storage) -> None:
    row = stored_in(engine, FileColumn(storage, reads='sqlalchemy-file'), VALUE)
    with Session(engine) as session:
        session.execute(insert(row), [{'file': 'new.txt'}, {'file': None}])
        session.commit()
        names = [one.file.filename for one in session.scalars(select(row).order_by(row.id))]
    assert names == [FILE_ID, 'new.txt', None]


def test_the_thumbnail_of_sqlalchemy_file_is_one_of_its_larger_side(engine: Engine, storage: fs.Storage) -> None:
    value = {**VALUE, 'thumbnail': {'file_id': 'small', 'width': 128, 'height': 96, 'path': 'docs/small'}}
    row = stored_in(engine, ImageColumn(storage, thumbnails=[128], reads='sqlalchemy-file'), value)
    with Session(engine) as session:
        image = session.scalars(select(row)).one().file
        assert (image.filename, image.thumbnail(128)) == (FILE_ID, 'small')
        assert list(image.stored.files()) == ['small', FILE_ID]


def test_the_thumbnails_of_filedepot_are_those_of_its_filters_and_its_pictures(storage: fs.Storage) -> None:
    column_type = ImageColumn(storage, reads='depot')
    value = {**VALUE, 'thumb_id': 'one', 'thumb_64x48_id': 'two', 'thumb_64x48_path': 'docs/two', 'thumb_url': None}
    image = column_type.process_result_value(value, None)  # type: ignore[arg-type]
    assert (image.filename, image.thumbnails) == (FILE_ID, {128: 'one', 64: 'two'})


def test_filedepot_has_a_folder_for_each_file_on_a_disk(storage: fs.Storage) -> None:
    column_type = ImageColumn(storage, reads='depot-local')
    image = column_type.process_result_value({**VALUE, 'thumb_id': 'one'}, None)  # type: ignore[arg-type]
    assert (image.filename, image.thumbnails) == (f'{FILE_ID}/file', {128: 'one/file'})
    assert column_type.process_result_value('new.png', None).filename == 'new.png'  # type: ignore[arg-type]


@pytest.mark.parametrize('thumbnail', [None, 'small', {}, {'width': 'wide', 'file_id': 'a'}, {'width': 9}])
def test_a_thumbnail_that_cannot_be_read_is_left_out(storage: fs.Storage, thumbnail: Any) -> None:
    column_type = ImageColumn(storage, reads='sqlalchemy-file')
    image = column_type.process_result_value({**VALUE, 'thumbnail': thumbnail}, None)  # type: ignore[arg-type]
    assert (image.filename, dict(image.thumbnails)) == (FILE_ID, {})


def test_several_files_of_one_row_become_a_list(engine: Engine, storage: fs.Storage) -> None:
    row = stored_in(engine, FileListColumn(storage, reads='sqlalchemy-file'), [VALUE, {**VALUE, 'file_id': 'second'}])
    with Session(engine) as session:
        assert [file.filename for file in session.scalars(select(row)).one().file] == [FILE_ID, 'second']


@pytest.mark.parametrize('file_id', ['../etc/passwd', '/etc/passwd', 'a\0b'])
def test_an_id_that_leads_elsewhere_is_no_file(storage: fs.Storage, file_id: str) -> None:
    column_type = FileColumn(storage, reads='depot')
    with pytest.warns(MalformedReferenceWarning):
        file = column_type.process_result_value({'file_id': file_id}, None)  # type: ignore[arg-type]
    assert not file


def test_a_function_reads_what_any_other_code_has_stored(engine: Engine, storage: fs.Storage) -> None:
    def key_of(value: Any) -> Any:
        return value.get('key') if isinstance(value, dict) and 'key' in value else value

    row = stored_in(engine, FileColumn(storage, reads=key_of), {'key': 'a.txt', 'etag': '1'})
    with Session(engine) as session:
        one = session.scalars(select(row)).one()
        assert one.file == FileReference(storage, 'a.txt')
        one.file = 'b.txt'
        session.commit()
        assert one.file == FileReference(storage, 'b.txt')
    assert raw_value(engine, row) == {'filename': 'b.txt'}


def test_an_unknown_library_is_named(storage: fs.Storage) -> None:
    with pytest.raises(
        ValueError, match="reads must be one of 'sqlalchemy-file', 'depot', 'depot-local', or a function, not 'django'"
    ):
        FileColumn(storage, reads='django')  # type: ignore[arg-type]


def test_without_reads_such_a_value_is_what_it_says(storage: fs.Storage) -> None:
    file = FileColumn(storage).process_result_value(VALUE, None)  # type: ignore[arg-type]
    assert file.filename == 'letter.txt'
    assert legacy_value(file) == {}
