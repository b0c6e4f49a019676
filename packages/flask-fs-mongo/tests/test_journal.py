"""The journal of documents: what it has at each step, and what `flask fs gc` makes of it."""

from __future__ import annotations

import datetime
import io
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from mongoengine import Document, ListField, OperationError, StringField, ValidationError, get_db

import flask_fs as fs
from flask_fs.consistency.gc import collect
from flask_fs_mongo import FileField, ImageField, init_app, units
from flask_fs_mongo.journal import DocumentJournal

Names = Callable[[fs.Storage], list[str]]


def entries() -> list[tuple[str, str, str]]:
    found = get_db()['fs_journal'].find().sort('_id', 1)
    return [(entry['storage'], entry['filename'], entry['action']) for entry in found]


def upload() -> io.BytesIO:
    return io.BytesIO(b'content')


@pytest.fixture
def paper(memory_app: Flask, memory: fs.Storage) -> Any:
    class Paper(Document):
        title = StringField(max_length=5)
        file = FileField(memory, on_replace='remove', on_delete='remove')
        image = ImageField(fs=memory, thumbnails=[20])
        pages = ListField(FileField(memory))

    init_app(memory_app, Paper, journal=True)
    return Paper


def test_a_file_is_in_the_journal_until_its_document_is_saved(paper: Any, memory: fs.Storage) -> None:
    document = paper()
    document.file.save(upload(), 'a.txt')
    assert entries() == [('pictures', 'a.txt', 'created')]
    document.save()
    assert entries() == []
    assert memory.exists('a.txt')


def test_outside_of_a_context_it_is_that_of_the_only_application(
    paper: Any, memory_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, '_apps', weakref.WeakSet([memory_app]))
    with ThreadPoolExecutor(1) as threads:
        threads.submit(lambda: paper().file.save(upload(), 'a.txt')).result()
    assert entries() == [('pictures', 'a.txt', 'created')]


def test_the_entry_is_there_before_the_file(paper: Any, memory: fs.Storage, faulty: Any) -> None:
    seen: list[Any] = []
    with faulty(memory) as backend:
        backend.fail_next('put', when=lambda name: seen.append(entries()))
        paper().file.save(upload(), 'a.txt')
    assert seen[0] == [('pictures', 'a.txt', 'created')]


def test_a_document_that_is_never_saved_leaves_its_files_to_gc(
    paper: Any, memory_app: Flask, memory: fs.Storage, picture: Any, names: Names
) -> None:
    document = paper()
    document.image.save(picture(), 'a.png')
    document.pages.append(paper.pages.field.reference())
    document.pages[0].save(upload(), 'page.txt')
    assert names(memory) == ['a-20.png', 'a.png', 'page.txt']
    assert len(entries()) == 3
    assert list(collect(memory_app)) == []
    assert [outcome.action for outcome in collect(memory_app, older_than_s=0)] == ['removed'] * 3
    assert names(memory) == []
    assert entries() == []
    with pytest.raises(OperationError, match='has claimed a file of this document'):
        document.save()


def test_a_taken_name_is_written_down_anew(paper: Any, memory_app: Flask, memory: fs.Storage, picture: Any) -> None:
    memory.write('a-20.png', 'of somebody else')
    document = paper()
    document.image.save(picture(), 'a.png')
    assert sorted(entries()) == [('pictures', 'a-20_1.png', 'created'), ('pictures', 'a.png', 'created')]
    document.save()
    assert entries() == []


def test_a_replaced_file_stays_until_the_document_is_saved(paper: Any, memory: fs.Storage, names: Names) -> None:
    document = paper()
    document.file.save(upload(), 'a.txt')
    document.save()
    document.file.save(io.BytesIO(b'new'), 'a.txt', overwrite=True)
    assert names(memory) == ['a.txt', 'a_1.txt']
    assert memory.read('a.txt') == b'content'
    document.save()
    assert names(memory) == ['a_1.txt']
    assert paper.objects.get().file.read() == b'new'
    assert entries() == []


@pytest.mark.parametrize('change', ['replace', 'delete'])
def test_a_document_that_was_changed_elsewhere_does_not_remove_the_file_of_another_one(
    paper: Any, memory: fs.Storage, names: Names, change: str
) -> None:
    document = paper()
    document.file.save(upload(), 'a.txt')
    document.save()
    stale = paper.objects.get()
    document.file.save(io.BytesIO(b'new'), 'a.txt', overwrite=True)
    if change == 'replace':
        stale.file.save(io.BytesIO(b'newer'), 'a.txt', overwrite=True)
    else:
        stale.file.delete()
    document.save()
    other = paper()
    other.file.save(io.BytesIO(b'other'), 'a.txt')
    other.save()
    stale.save()
    assert paper.objects.get(pk=other.pk).file.read() == b'other'
    assert names(memory) == (['a.txt', 'a_2.txt'] if change == 'replace' else ['a.txt'])
    assert entries() == []


def test_a_save_that_fails_keeps_all_files_and_can_be_repeated(paper: Any, memory: fs.Storage, names: Names) -> None:
    document = paper()
    document.file.save(upload(), 'a.txt')
    document.save()
    document.file.save(upload(), 'b.txt')
    document.title = 'too long'
    with pytest.raises(ValidationError):
        document.save()
    assert names(memory) == ['a.txt', 'b.txt']
    assert entries() == [('pictures', 'b.txt', 'created')]
    document.title = 'short'
    document.save()
    assert names(memory) == ['b.txt']
    assert entries() == []


def test_a_file_to_be_removed_is_in_the_journal_before_the_document_is_saved(
    paper: Any, memory_app: Flask, memory: fs.Storage, faulty: Any, names: Names
) -> None:
    document = paper()
    document.file.save(upload(), 'a.txt')
    document.save()
    document.file = None
    with faulty(memory) as backend:
        backend.fail_next('remove')
        document.save()
    assert entries() == [('pictures', 'a.txt', 'unused')]
    assert [outcome.action for outcome in collect(memory_app, older_than_s=0)] == ['removed']
    assert names(memory) == []


def test_files_of_a_deleted_document_are_in_the_journal_until_they_are_removed(
    paper: Any, memory_app: Flask, memory: fs.Storage, faulty: Any, names: Names
) -> None:
    for name in ('a.txt', 'b.txt'):
        document = paper()
        document.file.save(upload(), name)
        document.save()
        with faulty(memory) as backend:
            backend.fail_next('remove', when=lambda filename: filename == 'a.txt', times=1)
            document.delete()
    assert entries() == [('pictures', 'a.txt', 'unused')]
    assert [outcome.action for outcome in collect(memory_app, older_than_s=0)] == ['removed']
    assert entries() == []
    assert names(memory) == []


def test_documents_that_are_inserted_together_settle_their_entries(
    paper: Any, names: Names, memory: fs.Storage
) -> None:
    for load_bulk in (True, False):
        documents = [paper(), paper()]
        for number, document in enumerate(documents):
            document.file.save(upload(), f'{load_bulk}-{number}.txt')
        paper.objects.insert(documents, load_bulk=load_bulk)
        assert entries() == []
    assert len(names(memory)) == 4


def test_what_gc_finds_of_a_document_that_was_saved_otherwise_stays(
    paper: Any, memory_app: Flask, memory: fs.Storage, names: Names
) -> None:
    """As by a process that was killed right after the document was saved."""
    document = paper()
    document.file.save(upload(), 'a.txt')
    paper._get_collection().insert_one(document.to_mongo())
    assert [outcome.action for outcome in collect(memory_app, older_than_s=0)] == ['kept']
    assert entries() == []
    assert names(memory) == ['a.txt']


def test_deleting_a_file_waits_for_the_document(paper: Any, memory: fs.Storage, names: Names) -> None:
    document = paper()
    document.file.save(upload(), 'a.txt')
    document.save()
    document.file.delete()
    assert names(memory) == ['a.txt']
    document.save()
    assert names(memory) == []


def test_without_a_journal_nothing_is_written_down(memory_app: Flask, memory: fs.Storage, names: Names) -> None:
    class Plain(Document):
        file = FileField(memory, on_replace='remove')

    init_app(memory_app, Plain)
    document = Plain()
    document.file.save(upload(), 'a.txt')
    document.save()
    document.file.save(io.BytesIO(b'new'), 'a.txt', overwrite=True)
    document.save()
    assert names(memory) == ['a.txt']
    assert 'fs_journal' not in get_db().list_collection_names()


# --- The journal by itself.


def test_entries_are_given_in_order_and_by_age(memory: fs.Storage) -> None:
    journal = DocumentJournal()
    first, second = journal.pending('pictures', 'a'), journal.pending('pictures', 'b')
    [third] = journal.unused([('pictures', 'c')])
    assert list(journal.entries(60)) == []
    found = list(journal.entries(0))
    assert [(entry.id, entry.filename, entry.action) for entry in found] == [
        (first, 'a', 'created'),
        (second, 'b', 'created'),
        (third, 'c', 'unused'),
    ]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert all(abs((now - entry.at).total_seconds()) < 60 for entry in found)
    journal.done([first])
    assert [entry.id for entry in journal.entries(0)] == [second, third]
    assert journal.unused([]) == journal.settle([]) == []


def test_a_claimed_entry_is_unused_and_is_not_settled(memory: fs.Storage) -> None:
    journal = DocumentJournal()
    entry = journal.pending('pictures', 'a')
    assert journal.claim(entry)
    assert not journal.claim(entry)
    assert not journal.claim('never there')
    with pytest.raises(OperationError, match='flask fs gc'):
        journal.settle([entry, journal.pending('pictures', 'b')])
    assert min((each.filename, each.action) for each in journal.entries(0)) == ('a', 'unused')


def test_an_error_of_the_database_leaves_entries_that_are_done(
    memory: fs.Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = DocumentJournal()

    def fail(*_: Any) -> Any:
        raise ConnectionError('gone')

    monkeypatch.setattr('flask_fs_mongo.journal.get_db', fail)
    journal.done(['a'])
    assert '1 finished entries of the journal stay' in caplog.text
    with pytest.raises(ConnectionError):
        journal.pending('pictures', 'a')
