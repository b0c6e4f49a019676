"""The documented API, to the letter: every name with its parameters, their order and their defaults."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from pymongo.errors import AutoReconnect

import flask_fs as fs
from flask_fs import mongo
from flask_fs.backends import Capability
from flask_fs.backends.gridfs import GridFsBackend
from flask_fs.backends.s3 import S3Backend
from flask_fs.backends.swift import SwiftBackend
from flask_fs_swift.errors import ContainerGone

REQUIRED = inspect.Parameter.empty

#: What is called, and its documented parameters (those of a class are those of making one).
CALLED = {
    # Core
    'flask_fs.by_name': 'name',
    'flask_fs.init_app': 'app, *storages',
    'flask_fs.Storage': "name='files', extensions=DEFAULTS, upload_to=None, overwrite=False",
    'flask_fs.Storage.configure': 'app',
    'flask_fs.Storage.delete': 'filename',
    'flask_fs.Storage.exists': 'filename',
    'flask_fs.Storage.extension_allowed': 'ext',
    'flask_fs.Storage.file_allowed': 'storage, basename',
    'flask_fs.Storage.list_files': '',
    'flask_fs.Storage.metadata': 'filename',
    'flask_fs.Storage.open': "filename, mode='r', **kwargs",
    'flask_fs.Storage.path': 'filename',
    'flask_fs.Storage.read': 'filename',
    'flask_fs.Storage.resolve_conflict': 'target_folder, basename',
    'flask_fs.Storage.save': 'file_or_wfs, filename=None, prefix=None, overwrite=None',
    'flask_fs.Storage.serve': 'filename',
    'flask_fs.Storage.url': 'filename, external=False',
    'flask_fs.Storage.write': 'filename, content, overwrite=False',
    # File types
    'flask_fs.All': '',
    'flask_fs.AllExcept': 'items',
    # Pictures
    'flask_fs.images.make_thumbnail': 'file, size, bbox=None',
    # Backends
    'flask_fs.backends.BaseBackend': 'name, config',
    'flask_fs.backends.BaseBackend.as_binary': "content, encoding='utf8'",
    'flask_fs.backends.BaseBackend.delete': 'filename',
    'flask_fs.backends.BaseBackend.exists': 'filename',
    'flask_fs.backends.BaseBackend.open': 'filename, *args, **kwargs',
    'flask_fs.backends.BaseBackend.read': 'filename',
    'flask_fs.backends.BaseBackend.save': 'file_or_wfs, filename, overwrite=False',
    'flask_fs.backends.BaseBackend.serve': 'filename',
    'flask_fs.backends.BaseBackend.write': 'filename, content',
    'flask_fs.backends.local.LocalBackend': 'name, config',
    'flask_fs.backends.local.LocalBackend.metadata': 'filename',
    'flask_fs.backends.local.LocalBackend.path': 'filename',
    'flask_fs.backends.local.LocalBackend.serve': 'filename',
    'flask_fs.backends.s3.S3Backend': 'name, config',
    'flask_fs.backends.s3.S3Backend.metadata': 'filename',
    'flask_fs.backends.swift.SwiftBackend': 'name, config',
    'flask_fs.backends.gridfs.GridFsBackend': 'name, config',
    # MongoEngine
    'flask_fs.mongo.FileField': 'fs=None, upload_to=None, basename=None, *args, **kwargs',
    'flask_fs.mongo.FileField.to_mongo': 'value',
    'flask_fs.mongo.FileField.to_python': 'value',
    'flask_fs.mongo.FileReference': ('fs=None, filename=None, upload_to=None, basename=None, instance=None, name=None'),
    'flask_fs.mongo.FileReference.save': 'wfs, filename=None',
    'flask_fs.mongo.ImageField': 'max_size=None, thumbnails=None, optimize=None, *args, **kwargs',
    'flask_fs.mongo.ImageReference': (
        'original=None, max_size=None, thumbnail_sizes=None, thumbnails=None, bbox=None, optimize=None, **kwargs'
    ),
    'flask_fs.mongo.ImageReference.best_url': 'size=None, external=False',
    'flask_fs.mongo.ImageReference.rerender': '',
    'flask_fs.mongo.ImageReference.save': 'file_or_wfs, filename=None, bbox=None, overwrite=None',
    'flask_fs.mongo.ImageReference.thumbnail': 'size',
    # Errors may be raised bare.
    'flask_fs.errors.FSError': '',
    'flask_fs.errors.FileExists': '',
    'flask_fs.errors.FileNotFound': '',
    'flask_fs.errors.OperationNotSupported': '',
    'flask_fs.errors.UnauthorizedFileType': '',
    'flask_fs.errors.UploadNotAllowed': '',
}

#: Documented attributes, of classes and modules.
ATTRIBUTES = (
    'flask_fs.ALL',
    'flask_fs.NONE',
    'flask_fs.Storage.base_url',
    'flask_fs.Storage.has_url',
    'flask_fs.storage.Config',
)

#: Each group of types, with the least that it has.
GROUPS = {
    'TEXT': 'txt',
    'DOCUMENTS': 'rtf odf ods gnumeric abw doc docx xls xlsx',
    'IMAGES': 'jpg jpe jpeg png gif svg bmp',
    'AUDIO': 'wav mp3 aac ogg oga flac',
    'DATA': 'csv ini json plist xml yaml yml',
    'SCRIPTS': 'js php pl py rb sh bat',
    'ARCHIVES': 'gz bz2 zip tar tgz txz 7z',
    'EXECUTABLES': 'so exe dll',
}
DEFAULTS = ('TEXT', 'DOCUMENTS', 'IMAGES', 'DATA')

#: Each backend's documented settings.
SETTINGS = {
    'flask_fs.backends.local.LocalBackend': 'root',
    'flask_fs.backends.s3.S3Backend': 'endpoint region access_key secret_key',
    'flask_fs.backends.gridfs.GridFsBackend': 'mongo_url mongo_db',
    'flask_fs.backends.swift.SwiftBackend': 'authurl user key',
}


def named(path: str) -> Any:
    """What is found under *path*: attributes of the longest module in it."""
    parts = path.split('.')
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module('.'.join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(path)


def documented(parameters: str) -> list[inspect.Parameter]:
    function: Any = eval(f'lambda {parameters}: None', {'DEFAULTS': fs.DEFAULTS})
    return list(inspect.signature(function).parameters.values())


def taken(path: str) -> list[inspect.Parameter]:
    found = named(path)
    parameters = list(inspect.signature(found).parameters.values())
    return parameters[1:] if inspect.isfunction(found) and path.rsplit('.', 2)[-2][0].isupper() else parameters


@pytest.mark.parametrize(('path', 'parameters'), CALLED.items(), ids=CALLED)
def test_what_is_documented_is_taken_by_position_and_by_name(path: str, parameters: str) -> None:
    ours = taken(path)
    for expected in documented(parameters):
        if expected.kind is expected.VAR_KEYWORD:
            # By their names, or whatever they are.
            assert any(each.kind in (each.VAR_KEYWORD, each.KEYWORD_ONLY) for each in ours)
            continue
        if expected.name == 'args' and path.endswith('.open'):
            # Handed on to what opens files, which takes a mode.
            continue
        mine = ours.pop(0)
        assert (expected.name, expected.kind) == (mine.name, mine.kind)
        # A default where none is documented is one more way to call it.
        assert expected.default in (REQUIRED, mine.default)
        assert type(expected.default) in (type, type(mine.default))
    more = [each for each in ours if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    assert [each.name for each in more if each.default is REQUIRED] == []


@pytest.mark.parametrize('path', ATTRIBUTES)
def test_documented_attributes_are_there(path: str) -> None:
    named(path)


@pytest.mark.parametrize(
    ('backend', 'error'),
    [
        (S3Backend('kit', {'bucket_name': 'b'}), EndpointConnectionError(endpoint_url='http://s3.test')),
        (SwiftBackend('kit', {'authurl': 'http://swift.test', 'user': 'u', 'key': 'k'}), ContainerGone('c')),
        (GridFsBackend('kit', {'mongo_url': 'mongodb://mongo.test', 'mongo_db': 'd'}), AutoReconnect('gone')),
    ],
    ids=['s3', 'swift', 'gridfs'],
)
def test_backends_translate_what_their_libraries_raise(backend: Any, error: Exception) -> None:
    translated = backend.translate(error, 'a.txt')
    assert (type(translated), translated.filename) == (fs.Unavailable, 'a.txt')


def test_s3_takes_back_what_its_store_lacks() -> None:
    backend = S3Backend('kit', {'bucket_name': 'b'})
    backend.narrow()
    assert Capability.ATOMIC_CREATE not in backend.capabilities


def test_each_field_makes_its_kind_of_reference() -> None:
    assert mongo.FileField.proxy_class is mongo.FileReference
    assert mongo.ImageField.proxy_class is mongo.ImageReference


def test_groups_of_types_have_at_least_what_is_documented() -> None:
    for name, extensions in GROUPS.items():
        assert set(extensions.split()) <= set(getattr(fs, name))
    assert set().union(*(GROUPS[name].split() for name in DEFAULTS)) <= set(fs.DEFAULTS)
    assert 'anything' in fs.ALL
    assert isinstance(fs.ALL, fs.All)
    assert 'txt' not in fs.NONE


@pytest.mark.parametrize(('path', 'keys'), SETTINGS.items(), ids=SETTINGS)
def test_backends_have_the_documented_settings(path: str, keys: str) -> None:
    assert set(keys.split()) <= {setting.key for setting in named(path).settings}


def test_errors_form_the_documented_tree() -> None:
    for name in ('FileExists', 'FileNotFound', 'UnauthorizedFileType', 'UploadNotAllowed', 'OperationNotSupported'):
        error = getattr(fs.errors, name)
        assert issubclass(error, fs.errors.FSError)
        assert error is getattr(fs, name)
        with pytest.raises(fs.FSError):
            raise error
