"""What the documentation shows of fields of documents, with other names: each example gives what is said beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongoengine
import pytest
from flask import Flask
from PIL import Image
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs.mongo import FileField, ImageField


@pytest.fixture
def app(tmp_path: Path, mongomock_in_process: Any, fresh_name: str) -> Iterator[Flask]:
    """An application, current, with a database."""
    mongoengine.connect(fresh_name, mongo_client_class=mongomock_in_process, uuidRepresentation='standard')
    app = Flask('shop', instance_path=str(tmp_path))
    app.config['FS_URL'] = 'http://cdn.shop.test/'
    with app.app_context():
        yield app
    mongoengine.disconnect()


def picture(width_px: int, height_px: int) -> io.BytesIO:
    file = io.BytesIO()
    Image.new('RGB', (width_px, height_px), 'teal').save(file, 'PNG')
    file.seek(0)
    return file


def test_a_file_of_a_document(app: Flask) -> None:
    papers = fs.Storage('papers', fs.ALL)
    fs.init_app(app, papers)

    class Invoice(mongoengine.Document):
        scan = FileField(fs=papers)

    invoice = Invoice()
    assert [bool(invoice.scan), invoice.scan.filename, invoice.scan.url, str(invoice.scan)] == [False, None, None, '']
    invoice.scan.save(io.BytesIO(b'xxx'), 'may.scan')
    url = 'http://cdn.shop.test/papers/may.scan'
    assert [
        bool(invoice.scan),
        invoice.scan.filename,
        invoice.scan.url,
        str(invoice.scan),
    ] == [True, 'may.scan', url, url]
    invoice.save()
    assert Invoice.objects.get().scan.filename == 'may.scan'


@pytest.mark.parametrize('of_field', [True, False])
def test_folder_and_name_come_from_the_document(app: Flask, of_field: bool) -> None:
    how: Any = {'upload_to': lambda invoice: f'of-{invoice.customer}', 'basename': lambda invoice: 'paper'}
    papers = fs.Storage('papers', fs.ALL, **({} if of_field else how))
    fs.init_app(app, papers)

    class Invoice(mongoengine.Document):
        customer = mongoengine.StringField()
        scan = FileField(fs=papers, **(how if of_field else {}))

    invoice = Invoice(customer='ada')
    invoice.scan.save(io.BytesIO(b'xxx'), 'may.scan')
    assert invoice.scan.url == str(invoice.scan) == 'http://cdn.shop.test/papers/of-ada/may.scan'
    # The name that an upload brings along gives way, and only that.
    invoice.scan.save(FileStorage(io.BytesIO(b'xxx'), 'june.scan'))
    assert invoice.scan.url == 'http://cdn.shop.test/papers/of-ada/paper.scan'
    invoice.scan.save(FileStorage(io.BytesIO(b'xxx'), 'june.scan'), 'july.scan')
    assert invoice.scan.url == 'http://cdn.shop.test/papers/of-ada/july.scan'


def test_a_picture_of_a_document(app: Flask) -> None:
    photos = fs.Storage('photos', fs.IMAGES)
    fs.init_app(app, photos)

    class Lamp(mongoengine.Document):
        photo = ImageField(fs=photos, max_size=150, thumbnails=[100, 32])

    lamp = Lamp()
    lamp.photo.save(picture(300, 200), 'desk.png')
    photo = lamp.photo
    assert [
        photo.filename,
        photo.original,
        photo.thumbnail(100),
        photo.thumbnail(32),
    ] == ['desk.png', 'desk-original.png', 'desk-100.png', 'desk-32.png']
    for best in (photo.best_url, photo):
        assert best().endswith('/desk.png')
        assert best(200).endswith('/desk.png')
        assert best(150).endswith('/desk.png')
        assert best(100).endswith('/desk-100.png')
        assert best(90).endswith('/desk-100.png')
        assert best(30).endswith('/desk-32.png')
    with pytest.raises(ValueError, match='64'):
        photo.thumbnail(64)


def test_thumbnails_are_cut_from_a_box_and_made_anew(app: Flask) -> None:
    photos = fs.Storage('photos', fs.IMAGES)
    fs.init_app(app, photos)

    class Lamp(mongoengine.Document):
        photo = ImageField(150, [100], None, photos)

    lamp = Lamp()
    lamp.photo.save(picture(300, 200), 'desk.png', bbox=(10, 10, 110, 110))
    assert tuple(lamp.photo.bbox) == (10, 10, 110, 110)
    photos.delete('desk-100.png')
    lamp.photo.rerender()
    assert photos.exists(lamp.photo.thumbnail(100))


def test_optimizing_is_decided_by_the_field_or_else_by_the_setting_at_each_save(app: Flask) -> None:
    photos = fs.Storage('photos', fs.IMAGES)
    fs.init_app(app, photos)

    class Lamp(mongoengine.Document):
        as_set = ImageField(fs=photos)
        never = ImageField(fs=photos, optimize=False)

    for setting in (False, True, False):
        app.config['FS_IMAGES_OPTIMIZE'] = setting
        lamp = Lamp()
        for name in ('as_set', 'never'):
            getattr(lamp, name).save(picture(300, 200), f'{name}-{setting}.png', overwrite=True)
        # What is made anew has an original beside it.
        assert setting == (lamp.as_set.original not in (None, lamp.as_set.filename))
        assert lamp.never.original in (None, lamp.never.filename)
