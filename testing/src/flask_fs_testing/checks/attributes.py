"""Attributes: everything stored with a file in addition to its content is returned everywhere, or is rejected."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend, Capability, FileInfo
from flask_fs.backends.attributes import MAX_METADATA_BYTES, MAX_VALUE_BYTES, NAMES

from ..guarantees import broken, check, declares
from ..harness import Harness
from ..measurements import sizes_of
from ..sources import Failing, OnlyRead, SourceFailed
from .content import content_of
from .metadata import judge_result
from .operations import small_sizes
from .ranges import expect_bytes

#: One value for each attribute.
GIVEN = Attributes(
    mime='text/x-special',
    cache_control='public, max-age=3600',
    content_encoding='gzip',
    content_language='de, en-US',
    download_name='Zürich "1" 日本.txt',
    metadata={'owner': 'Jürgen', 'batch-2': 'a = b; c', 'empty': ''},
)
#: Another value for each attribute.
OTHER = Attributes(
    mime='image/png',
    cache_control='no-store',
    content_encoding='br',
    content_language='fr',
    download_name='other.png',
    metadata={'owner': 'Zoë'},
)
#: Text that is easily lost in headers, URLs, lists of pairs and databases.
ODD_VALUES = (
    '', ' blanks ', 'a  b', '\t', 'two\nlines', 'two\r\nX-Evil: lines', 'a\x00b\x7f', '"quoted"', "it's", 'a,b;c=d', 'a%41+&\\', '=', '0',
    'null', 'Jürgen', 'e\u0301', '日本語', '\U0001f389', '=?UTF-8?B?eA==?=', 'a =?utf-8?q?x?= b', '=?UTF-8?B?_?=', '\ufeffmark', '\x85',
)  # fmt: skip
#: Names in metadata that a driver might use for something else, in headers or in a document of a database.
TAKEN_NAMES = (
    'name', 'filename', 'size', 'length', 'mime', 'content-type', 'checksum', 'md5', 'sha256', 'etag', 'modified', 'mtime', 'metadata',
    'id', 'owner', 'cache-control', 'download-name',
)  # fmt: skip
ODD_DOWNLOAD_NAMES = ('a b.txt', "it's.txt", 'a;b=c,d.txt', '100%22.txt', '"', ' x ', 'x.', '日本語.png', 'e\u0301.txt')
#: How the same content is stored, with attributes.
WAYS: Mapping[str, Callable[[fs.Storage, str, bytes, Mapping[str, Any]], object]] = {
    'save': lambda storage, name, content, given: storage.save(io.BytesIO(content), name, overwrite=True, **given),
    'save, to create': lambda storage, name, content, given: storage.save(OnlyRead(content, 65_537), name, **given),
    'write': lambda storage, name, content, given: storage.write(name, content, overwrite=True, **given),
    'write, to create': lambda storage, name, content, given: storage.write(name, content, **given),
    "open, with 'wb'": lambda storage, name, content, given: _write_file(storage, name, 'wb', content, given),
    "open, with 'xb'": lambda storage, name, content, given: _write_file(storage, name, 'xb', content, given),
}


class AttributeChecks:
    """Attributes given with a file."""

    @check(
        'ATTRIBUTES',
        proves=Capability.ATTRIBUTES,
        cause='_put stores only some of them, or files stored in parts get them in another request that lacks some. Check every '
        'path through _put, and what _stat, _open and _scan make of the response.',
    )
    def test_attributes_come_back_however_a_file_is_stored(self, harness: Harness) -> None:
        """Every attribute given to save, write or open is returned by stat and open, for files of any size, also by other backends on the store."""
        storage, other = fs.Storage('kit', fs.ALL), harness.make()
        if not declares(other, Capability.ATTRIBUTES):
            return
        sizes = sizes_of(harness)
        with harness.make_app(storage).app_context():
            for number, (way, store) in enumerate(WAYS.items()):
                # In parts, too, with and without the condition.
                of_way = {'save': sizes, 'save, to create': small_sizes(harness)}.get(way, {'small': sizes['small']})
                for size in of_way:
                    name, content = f'{number}/{size}.bin', gzipped(of_way[size])
                    store(storage, name, content, GIVEN.given())
                    expect_attributes(other, name, GIVEN, f'stored by {way}, of {len(content)} bytes,')
                    expect_bytes(other.read(name), content, f'{name}, by {way}')

    @check(
        'ATTRIBUTES',
        proves=Capability.ATTRIBUTES,
        cause='An attribute that was not given is stored as an empty string, or the default of the store is returned for it. '
        'Check what _put sends, and what _stat makes of an absent attribute.',
    )
    def test_attributes_that_were_not_given_are_none(self, harness: Harness) -> None:
        """A file stored with one attribute has only that one, and a file stored with none has none."""
        backend = harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        given = {name: Attributes(**{name: getattr(GIVEN, name)}) for name in NAMES}
        for name, attributes in {'none': NO_ATTRIBUTES, **given}.items():
            backend.write(f'{name}.bin', gzipped(10), attributes=attributes)
            expect_attributes(backend, f'{name}.bin', attributes, f'stored with {name} alone')
        expect_listed(backend)

    @check(
        'ATTRIBUTES',
        proves=Capability.ATTRIBUTES,
        cause='A value is put into a header, or a list of pairs, without encoding: use encode_text() and decode_text(), and '
        'attachment() with download_name_of(). Check _put and _stat.',
    )
    def test_metadata_and_names_of_any_text_come_back_exactly(self, harness: Harness) -> None:
        """Metadata is returned exactly as given, whatever its names and text, up to the largest that is allowed, and so are download names."""
        backend = harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        odd = [{f'odd-{number}': value for number, value in enumerate(ODD_VALUES[start::3])} for start in range(3)]
        taken = {name: f'my {name}' for name in TAKEN_NAMES}
        for number, metadata in enumerate((*odd, taken, *_largest())):
            attributes = Attributes(metadata=metadata)
            backend.write(f'{number}', b'', attributes=attributes)
            expect_attributes(backend, f'{number}', attributes, 'with odd metadata')
        for name in ODD_DOWNLOAD_NAMES:
            attributes = Attributes(download_name=name)
            backend.write('named', b'', attributes=attributes)
            expect_attributes(backend, 'named', attributes, 'with a download name')

    @check(
        'ATTRIBUTES',
        proves=Capability.ATTRIBUTES,
        cause='Bytes and attributes are stored in two steps, one of which updates existing attributes, or the result lacks '
        'them. Check what _put keeps of the file that it replaces, and what it returns.',
    )
    def test_a_replaced_file_has_its_own_attributes(self, harness: Harness) -> None:
        """A file that replaces another has the attributes given with it, and none of the old ones, also in the result of storing it."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        sizes = small_sizes(harness)
        partial = Attributes(content_language='fr', metadata={'new': '1'})
        for before, after, attributes in (
            ('small', 'small', NO_ATTRIBUTES),
            ('small', 'small', partial),
            ('small', 'parts', NO_ATTRIBUTES),
            ('parts', 'small', OTHER),
            ('border', 'parts', partial),
        ):
            backend.write('x.txt', gzipped(sizes[before]), attributes=GIVEN)
            content = io.BytesIO(content_of(sizes[after]))
            judge_result(other, 'x.txt', backend.save(content, 'x.txt', overwrite=True, attributes=attributes))
            expect_attributes(
                other, 'x.txt', attributes, f'of {sizes[after]} bytes, which replaced one of {sizes[before]}'
            )
        backend.write('x.txt', b'', attributes=GIVEN)
        backend.remove('x.txt')
        backend.write('x.txt', b'', overwrite=False)
        expect_attributes(other, 'x.txt', NO_ATTRIBUTES, 'stored anew after the old one was removed')

    @check(
        'ATTRIBUTES',
        proves=Capability.ATTRIBUTES,
        cause='Attributes are stored before the bytes, or without the condition. Check the order of the steps in _put.',
    )
    def test_a_failed_put_leaves_the_old_attributes(self, harness: Harness) -> None:
        """A file that could not be replaced keeps its attributes and its content."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        old = gzipped(10)
        backend.write('x', old, attributes=GIVEN)
        for size in small_sizes(harness).values():
            content = content_of(size)
            for after in (0, size - 1):
                with pytest.raises(SourceFailed):
                    backend.save(Failing(content, after, step=65_537), 'x', overwrite=True, attributes=OTHER)
                expect_attributes(other, 'x', GIVEN, f'when another source failed after {after} bytes')
            with pytest.raises(fs.FileExists):
                backend.save(OnlyRead(content, 65_537), 'x', overwrite=False, attributes=OTHER)
            expect_attributes(other, 'x', GIVEN, 'that another writer could not create')
        assert other.read('x') == old
        assert harness.names_raw() == ['x']

    @check(
        '_copy and _move',
        proves=Capability.ATTRIBUTES,
        cause='The store copies only the bytes, or copies attributes only for small files, or keeps those of the target. Check '
        'what _copy and _move pass on, and FileInfo.attributes.',
    )
    def test_copies_and_moves_keep_attributes(self, harness: Harness) -> None:
        """Copying, moving and transferring a file keep all its attributes, whatever its size, its new name or the file that it replaces."""
        storage, elsewhere = fs.Storage('kit', fs.ALL), fs.Storage('elsewhere', fs.ALL)
        backend = harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        app = harness.make_app(storage)
        app.config['ELSEWHERE_FS_BACKEND'] = 'memory'
        fs.init_app(app, elsewhere)
        sizes = small_sizes(harness)
        with app.app_context():
            for size, attributes in (('small', GIVEN), ('parts', GIVEN), ('small', NO_ATTRIBUTES)):
                content = gzipped(sizes[size])
                backend.write('a/x.txt', content, attributes=attributes)
                what = f'of {len(content)} bytes'
                targets = {'a/new.txt': False, 'b/x.json': False, 'there.json': True}
                for target in targets if size == 'small' else ('b/x.json',):
                    backend.write('there.json', b'', attributes=OTHER)
                    storage.copy('a/x.txt', target, overwrite=targets[target])
                    expect_attributes(backend, target, attributes, f'copied to, {what}')
                    storage.move(target, f'moved-{target}')
                    expect_attributes(backend, f'moved-{target}', attributes, f'moved to, {what}')
                    backend.remove(f'moved-{target}')
                expect_attributes(backend, 'a/x.txt', attributes, f'copied from, {what}')
                storage.transfer('a/x.txt', elsewhere, 'x.json', overwrite=True)
                elsewhere.transfer('x.json', storage, 'back.xml', overwrite=True)
                for transferred in (elsewhere.stat('x.json'), storage.stat('back.xml')):
                    judge_attributes(transferred, attributes, f'transferred, {what}')

    @check(
        'ATTRIBUTES',
        cause='The backend accepts attributes, but drops them. Declare ATTRIBUTES, or let BaseBackend reject them: '
        'override _put and _set_attributes, not the verbs.',
    )
    def test_attributes_that_are_not_kept_are_refused(self, harness: Harness) -> None:
        """Without ATTRIBUTES, passing an attribute raises OperationNotSupported before the source is read, and nothing is stored."""
        storage, backend = fs.Storage('kit', fs.ALL), harness.make()
        if declares(backend, Capability.ATTRIBUTES):
            return
        backend.write('x.txt', b'old')
        kept = {'mime'} if declares(backend, Capability.MIME) else set()
        with harness.make_app(storage).app_context():
            for attribute in (name for name in NAMES if name not in kept):
                given = {attribute: getattr(GIVEN, attribute)}
                for way, store in WAYS.items():
                    with pytest.raises(fs.OperationNotSupported):
                        store(storage, 'x.txt' if 'create' not in way else 'new.txt', b'new', given)
                source = io.BytesIO(b'new')
                with pytest.raises(fs.OperationNotSupported):
                    backend.save(source, 'x.txt', overwrite=True, attributes=Attributes(**given))
                if source.tell():
                    broken(
                        f'Expected the source to be unread when {attribute} is rejected; saw {source.tell()} bytes read.'
                    )
                with pytest.raises(fs.OperationNotSupported):
                    storage.set_attributes('x.txt', **given)
        assert (harness.names_raw(), harness.get_raw('x.txt')) == (['x.txt'], b'old')


def gzipped(size: int) -> bytes:
    """Content of at least *size* bytes that matches GIVEN."""
    return gzip.compress(content_of(size), 0, mtime=0)


def _write_file(storage: fs.Storage, name: str, mode: str, content: bytes, given: Mapping[str, Any]) -> None:
    with storage.open(name, mode, **given) as file:
        file.write(content)


def _largest() -> list[dict[str, str]]:
    """Metadata with values, names and a total of the maximum size."""
    longest = {'plain': 'x' * MAX_VALUE_BYTES, 'encoded': '日' * ((MAX_VALUE_BYTES - 12) // 4)}
    full = {f'n{number}': 'x' * MAX_VALUE_BYTES for number in range(5)}
    left = MAX_METADATA_BYTES - sum(len(name) + len(value) for name, value in full.items())
    return [longest, {**full, 'n' * 64: 'x' * (left - 64)}]


def expect_attributes(backend: BaseBackend, name: str, expected: Attributes, what: str) -> None:
    """Fail unless each verb that reads one file returns these attributes."""
    judge_attributes(backend.stat(name), expected, f'{name!r}, {what} by stat')
    opened = backend.open_whole(name)
    opened.stream.close()
    judge_attributes(opened.info, expected, f'{name!r}, {what} by open')


def judge_attributes(info: FileInfo, expected: Attributes, what: str) -> None:
    """Fail unless *info* has these attributes."""
    for attribute in NAMES:
        seen, wanted = getattr(info.attributes, attribute), getattr(expected, attribute)
        if seen != wanted:
            broken(f'Expected {attribute} {wanted!r} for a file {what}; saw {seen!r}.')


def expect_listed(backend: BaseBackend) -> None:
    """Fail unless a listing returns each attribute as stat does, or none."""
    for listed in backend.scan():
        info = backend.stat(listed.name)
        for attribute in NAMES:
            seen, known = getattr(listed.attributes, attribute), getattr(info.attributes, attribute)
            if seen and seen != known:
                broken(f'Expected {attribute} {known!r} for {listed.name!r} from scan, or none; saw {seen!r}.')
