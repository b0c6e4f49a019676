"""Fields whose storage is a view of one folder, or only reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from mongoengine import Document

import flask_fs as fs
from flask_fs.mongo import FileField, ImageField
from flask_fs.stored import MalformedReferenceWarning


def test_a_file_field_keeps_its_files_in_the_folder(storage: fs.Storage) -> None:
    view = storage.scoped('tenants/7')

    class Paper(Document):
        file = FileField(fs=view, upload_to='papers', on_replace='remove')

    paper = Paper()
    assert paper.file.save(io.BytesIO(b'one'), 'a.txt') == 'papers/a.txt'
    paper.save()
    found = Paper.objects.get(id=paper.id)
    assert (found.file.filename, found.file.read()) == ('papers/a.txt', b'one')
    assert found.file.url == storage.url('tenants/7/papers/a.txt')
    found.file.save(io.BytesIO(b'two'), 'b.txt')
    found.save()
    assert list(storage.list_files()) == ['tenants/7/papers/b.txt']
    assert Paper.objects(file='papers/b.txt').count() == 1
    found.file.delete()
    assert list(storage.list_files()) == []


def test_a_stored_value_leads_out_of_no_folder(storage: fs.Storage) -> None:
    view = storage.scoped('tenants/7')
    storage.write('secret.txt', 'secret')

    class Evil(Document):
        file = FileField(fs=view)

    for name in ('../../secret.txt', '/secret.txt', 'secret.txt'):
        Evil._get_collection().insert_one({'_cls': 'Evil', 'file': {'filename': name}})
    with pytest.warns(MalformedReferenceWarning):
        documents = list(Evil.objects)
    assert [bool(document.file) for document in documents] == [False, False, True]
    with pytest.raises(fs.FileNotFound):
        documents[2].file.read()


def test_an_image_field_keeps_all_its_pictures_in_the_folder(
    storage: fs.Storage, picture: Callable[..., io.BytesIO], size_of: Callable[..., tuple[int, int]]
) -> None:
    view = storage.scoped('tenants/7')
    storage.write('photo.png', 'of somebody else')
    view.write('photo-50.png', 'taken')

    class Album(Document):
        photo = ImageField(fs=view, max_size=100, thumbnails=[50], on_replace='remove')

    album = Album()
    album.photo.save(picture(), 'photo.png')
    album.save()
    found: Any = Album.objects.get(id=album.id)
    names = set(found.photo.stored.files())
    assert len(names) == 3
    assert all(name in view for name in names)
    assert max(size_of(view, found.photo.thumbnail(50))) == 50
    assert storage.read('photo.png') == b'of somebody else'
    found.photo.rerender()
    found.photo = None
    found.save()
    assert sorted(storage.list_files()) == ['photo.png', 'tenants/7/photo-50.png']


def test_a_field_of_a_read_only_view_only_reads(storage: fs.Storage) -> None:
    class Old(Document):
        file = FileField(fs=storage.scoped('t').read_only())

    storage.write('t/a.txt', '1')
    old = Old(file='a.txt').save()
    found = Old.objects.get(id=old.id)
    assert found.file.read() == b'1'
    with pytest.raises(fs.OperationNotSupported):
        found.file.save(io.BytesIO(b'2'), 'b.txt')
    with pytest.raises(fs.OperationNotSupported):
        found.file.delete()
    assert list(storage.list_files()) == ['t/a.txt']
