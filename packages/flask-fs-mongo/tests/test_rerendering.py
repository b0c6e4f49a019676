"""Making the derived files of a whole collection again."""

from __future__ import annotations

import io
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from mongoengine import Document, EmbeddedDocument, EmbeddedDocumentListField, IntField, ListField, StringField

import flask_fs as fs
from flask_fs_mongo import ImageField, init_app, rerender_all

Names = Callable[[fs.Storage], list[str]]


@pytest.fixture
def page(memory: fs.Storage) -> type[Any]:
    class Page(Document):
        number = IntField(primary_key=True)
        title = StringField(max_length=3)
        image = ImageField(fs=memory, max_size=150, thumbnails=[100, 32])

    return Page


@pytest.fixture
def fill(page: Any, picture: Any) -> Callable[[int], None]:
    def fill(count: int) -> None:
        for number in range(1, count + 1):
            document = page(number=number)
            document.image.save(picture(), f'{number}.png')
            document.save()

    return fill


def declare(page: Any, *sizes: int) -> None:
    """As a new version of the application would."""
    page.image.thumbnails = sizes


def test_every_document_gets_the_files_that_are_declared_now(
    page: Any, fill: Any, memory: fs.Storage, names: Names
) -> None:
    fill(3)
    page(number=9).save()
    declare(page, 64)
    report = rerender_all(page.objects, 'image')
    assert (report.documents, report.pictures, report.failures, report.last) == (4, 3, [], 9)
    assert str(report) == '3 images in 4 documents were regenerated; 0 failed.'
    assert [found.image.thumbnail(64) for found in page.objects] == ['1-64.png', '2-64.png', '3-64.png', None]
    assert '2-64.png' in names(memory)


def test_failures_are_reported_at_the_end_and_stop_nothing(page: Any, fill: Any, memory: fs.Storage) -> None:
    fill(4)
    memory.delete('2-original.png')
    memory.write('3-original.png', b'no picture', overwrite=True)
    declare(page, 64)
    report = rerender_all(page.objects, 'image')
    assert (report.documents, report.pictures) == (4, 2)
    assert [failure.pk for failure in report.failures] == [2, 3]
    assert report.failures[0].error.startswith("FileNotFound: '2-original.png'")
    assert report.failures[1].error.startswith('InvalidContent:')
    assert '3: InvalidContent' in str(report)
    assert [64 in found.image.thumbnails for found in page.objects] == [True, False, False, True]
    assert page.objects.get(number=2).image.thumbnails[32] == '2-32.png'


def test_it_continues_where_another_run_ended(page: Any, fill: Any) -> None:
    fill(5)
    declare(page, 64)
    done: list[int] = []

    def interrupted(pk: int) -> None:
        done.append(pk)
        if pk == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerender_all(page.objects.order_by('-number'), 'image', finished=interrupted)
    assert done == [1, 2]
    report = rerender_all(page.objects, 'image', start_after=done[-1], finished=done.append)
    assert done == [1, 2, 3, 4, 5]
    assert report.documents == 3
    assert all(64 in found.image.thumbnails for found in page.objects)


def test_querysets_may_be_narrowed_and_documents_may_come_from_anywhere(page: Any, fill: Any) -> None:
    fill(4)
    declare(page, 64)
    assert rerender_all(page.objects(number__gt=2), 'image').documents == 2
    assert rerender_all(page.objects.limit(1), 'image').documents == 1
    assert rerender_all(page.objects.no_cache(), 'image').documents == 4
    assert rerender_all([page.objects.get(number=1)], 'image').documents == 1
    assert rerender_all(iter([]), 'image').documents == 0
    with pytest.raises(ValueError, match='needs a queryset'):
        rerender_all([], 'image', start_after=3)


def test_pictures_in_lists_and_embedded_documents_are_found(memory: fs.Storage, picture: Any) -> None:
    class Part(EmbeddedDocument):
        image = ImageField(fs=memory, db_field='i')

    class Album(Document):
        images = ListField(ImageField(fs=memory))
        parts = EmbeddedDocumentListField(Part)

    for name in ('a.png', 'b.png', 'c.png'):
        memory.write(name, picture().getvalue())
    Album(images=['a.png', '', 'b.png'], parts=[Part(), Part(image='c.png')]).save()
    Album.images.field.thumbnails = Part.image.thumbnails = (32,)
    assert rerender_all(Album.objects, 'images').pictures == 2
    assert rerender_all(Album.objects, 'parts.image').pictures == 1
    assert rerender_all(Album.objects, 'parts__image').pictures == 1
    album = Album.objects.get()
    assert [image.thumbnails.get(32) for image in album.images] == ['a-32.png', None, 'b-32.png']
    assert album.parts[1].image.thumbnail(32) == 'c-32.png'


@pytest.mark.parametrize('name', ['nothing', 'title', 'image.filename'])
def test_a_name_without_pictures_is_refused(name: str, page: Any, fill: Any) -> None:
    fill(1)
    with pytest.raises(ValueError, match='has no image field'):
        rerender_all(page.objects, name)


def test_a_document_is_saved_only_if_it_refers_to_other_files(
    page: Any, fill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(2)
    page._get_collection().update_one({'_id': 1}, {'$set': {'title': 'too long, and no matter'}})
    saved: list[int] = []
    save = page.save
    monkeypatch.setattr(
        page, 'save', lambda self, *args, **kwargs: saved.append(self.pk) or save(self, *args, **kwargs)
    )
    assert rerender_all(page.objects, 'image').failures == []
    assert saved == []
    declare(page, 64)
    assert rerender_all(page.objects, 'image').failures == []
    assert saved == [1, 2]


def test_plain_names_become_whole(page: Any, memory: fs.Storage, picture: Any) -> None:
    memory.write('a.png', picture().getvalue())
    page._get_collection().insert_one({'_id': 1, 'image': 'a.png'})
    assert rerender_all(page.objects, 'image').failures == []
    image = page.objects.get().image
    assert (image.filename, image.original, image.thumbnail(32)) == ('a-main.png', 'a.png', 'a-32.png')


def test_changes_by_another_process_in_the_meantime_are_kept(
    page: Any, fill: Any, monkeypatch: pytest.MonkeyPatch, memory: fs.Storage
) -> None:
    fill(2)
    declare(page, 64)
    local_file = memory.local_file

    def changed_in_the_meantime(filename: str) -> Any:
        if filename == '1-original.png':
            page.objects(number=1).update(set__image='other.png')
        return local_file(filename)

    monkeypatch.setattr(memory, 'local_file', changed_in_the_meantime)
    report = rerender_all(page.objects, 'image')
    assert [failure.pk for failure in report.failures] == [1]
    assert 'Race condition' in report.failures[0].error
    assert page.objects.get(number=1).image.filename == 'other.png'
    assert page.objects.get(number=2).image.thumbnail(64) == '2-64.png'
    assert '1-64.png' not in memory


def test_a_progress_bar_is_shown_on_request(page: Any, fill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(2)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for progress in (True, None):
        monkeypatch.setattr(sys, 'stderr', Terminal())
        rerender_all(page.objects, 'image', progress=progress)
        assert '2/2' in sys.stderr.getvalue()  # type: ignore[attr-defined]  # ours
    monkeypatch.setattr(sys, 'stderr', io.StringIO())
    rerender_all(page.objects, 'image')
    assert sys.stderr.getvalue() == ''  # type: ignore[attr-defined]  # ours


@pytest.mark.slow
@pytest.mark.parametrize('database', ['server'], indirect=True)  # mongomock copies whole collections
def test_memory_does_not_grow_with_the_collection(page: Any, memory: fs.Storage, picture: Any) -> None:
    first = page(number=0)
    first.image.save(picture(20, 20), 'a.png')
    stored = {'image': first.image.stored.form(), 'title': 'x' * 10_000}
    peaks = []
    for count in (200, 1000):
        page._get_collection().delete_many({})
        page._get_collection().insert_many([{'_id': number, **stored} for number in range(count)])
        tracemalloc.start()
        try:
            report = rerender_all(page.objects, 'image')
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert (report.documents, report.failures) == (count, [])
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize('journal', [False, True])
@pytest.mark.parametrize('policy', ['keep', 'remove'])
def test_of_two_that_render_a_picture_again_at_the_same_time_one_leaves_files(
    memory_app: Flask, memory: fs.Storage, picture: Any, names: Names, journal: bool, policy: Any
) -> None:
    class Print(Document):
        image = ImageField(fs=memory, on_replace=policy)
        images = ListField(ImageField(fs=memory, on_replace=policy))

    if journal:
        init_app(memory_app, Print, journal=True)
    document = Print()
    document.image.save(picture(), 'a.png')
    document.images.append(reference := Print.images.field.reference())
    reference.save(picture(), 'b.png')
    document.save()
    for field in (Print.image, Print.images.field):
        field.max_size, field.thumbnails = (150, 150), (64,)
    for _ in range(2):
        one, two = Print.objects.get(), Print.objects.get()
        for each in (one, two):
            each.image.rerender()
            each.images[0].rerender()
        one.save()
        two.save()
        found = Print.objects.get()
        referred = [*found.image.stored.files(), *found.images[0].stored.files()]
        assert sorted(names(memory)) == sorted(referred)
        assert len(referred) == 6


def test_a_kept_picture_stays_with_its_files(memory: fs.Storage, picture: Any, names: Names) -> None:
    class Print(Document):
        image = ImageField(fs=memory, thumbnails=[64])

    document = Print()
    document.image.save(picture(), 'a.png')
    document.save()
    document.image.save(picture(), 'b.png')
    document.save()
    assert sorted(names(memory)) == ['a-64.png', 'a.png', 'b-64.png', 'b.png']
