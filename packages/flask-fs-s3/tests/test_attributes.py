"""Attributes as headers and metadata of objects: given with files, of other programs, kept by copies, changed in place."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import Attributes, Capability
from flask_fs_s3 import copying
from flask_fs_testing.sources import OnlyRead

pytestmark = pytest.mark.slow

MiB = 1024 * 1024
PART = 5 * MiB
Watch = Callable[[Any], AbstractContextManager[list[str]]]
GIVEN = Attributes(
    mime='text/x-odd',
    cache_control='public, max-age=60',
    content_encoding='br',
    content_language='de, en-US',
    download_name='Bericht "für" 日本.txt',
    metadata={'color': 'rot und grün', 'empty': '', 'plain': 'a  b', 'looks-encoded': '=?UTF-8?B?w6k=?='},
)
SOURCES: dict[str, Callable[[], Any]] = {
    'one request': lambda: b'content',
    'a file in parts': lambda: io.BytesIO(bytes(PART + 1)),
    'a stream in parts': lambda: OnlyRead(bytes(PART + 1), step=MiB),
}
source = pytest.mark.parametrize('source', SOURCES.values(), ids=SOURCES)
creating = pytest.mark.parametrize('overwrite', [True, False], ids=['replace', 'create'])


@pytest.fixture(params=['store', 'amazon', 'swift'])
def place(request: pytest.FixtureRequest) -> Any:
    """A fresh bucket on each kind of store."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=['store', 'amazon'])
def changing(request: pytest.FixtureRequest) -> Any:
    """A fresh bucket on each kind of store where attributes can be changed."""
    return request.getfixturevalue(request.param)


def _make(place: Any) -> Any:
    """A backend that keeps attributes, also on Swift's S3."""
    return place.make(conditional_writes=True)


def _head(place: Any, name: str) -> Any:
    return place.client.head_object(Bucket=place.bucket, Key=name)


# --- Kept with files.


@source
@creating
def test_attributes_come_back(place: Any, source: Callable[[], Any], overwrite: bool) -> None:
    backend = _make(place)
    backend.write('a.txt', source(), overwrite, attributes=GIVEN)
    assert backend.stat('a.txt').attributes == backend.open_whole('a.txt').info.attributes == GIVEN
    stored = _head(place, 'a.txt')
    assert stored['CacheControl'] == 'public, max-age=60'
    assert stored['ContentDisposition'].startswith('attachment; filename=')
    assert stored['Metadata']['plain'] == 'a  b'
    assert stored['ContentDisposition'].isascii()


def test_the_own_metadata_is_no_attribute(place: Any) -> None:
    backend = _make(place)
    backend.write('a.txt', b'content', False)
    assert backend.stat('a.txt').metadata == {}
    assert backend.stat('a.txt').checksum is not None


def test_what_is_given_comes_before_what_is_configured(store: Any) -> None:
    configured = {'CacheControl': 'no-store', 'ContentLanguage': 'fr', 'Metadata': {'team': 'red', 'kind': 'x'}}
    backend = store.make(object_parameters=configured)
    backend.write('a.txt', b'', attributes=Attributes(cache_control='max-age=1', metadata={'kind': 'y'}))
    info = backend.stat('a.txt')
    assert (info.cache_control, info.content_language) == ('max-age=1', 'fr')
    assert info.metadata == {'team': 'red', 'kind': 'y'}


def test_a_signed_link_returns_them(store: Any) -> None:
    backend = store.make()
    backend.write('a.txt', b'content', attributes=GIVEN)
    with urllib.request.urlopen(backend.signed_url('a.txt')) as response:
        assert response.read() == b'content'
        assert response.headers['Cache-Control'] == 'public, max-age=60'
        assert response.headers['Content-Type'] == 'text/x-odd'
        assert response.headers['Content-Language'] == 'de, en-US'
        assert response.headers['Content-Encoding'] == 'br'
        assert "filename*=UTF-8''Bericht" in response.headers['Content-Disposition']


# --- What other programs stored.


def test_metadata_of_other_programs_reads_as_what_it_is(place: Any) -> None:
    metadata = {'Owner_ID': 'Ann', 'title': '=?UTF-8?B?w6k=?=', 'q': '=?UTF-8?Q?=C3=A9?=', 'broken': '=?UTF-8?B?w6k?='}
    disposition = 'inline; filename="a.txt"'
    place.client.put_object(
        Bucket=place.bucket, Key='a.txt', Metadata=metadata, ContentDisposition=disposition, CacheControl='no-cache'
    )
    info = _make(place).stat('a.txt')
    assert info.metadata == {'owner_id': 'Ann', 'title': 'é', 'q': '=?UTF-8?Q?=C3=A9?=', 'broken': '=?UTF-8?B?w6k?='}
    assert info.cache_control == 'no-cache'
    assert info.download_name is None


@creating
@pytest.mark.parametrize('target', ['b.txt', 'b.html'], ids=['the same type', 'another type'])
def test_copies_keep_them(place: Any, overwrite: bool, target: str) -> None:
    metadata = {'owner_id': 'Ann', 'title': '=?UTF-8?B?w6k=?='}
    place.client.put_object(
        Bucket=place.bucket, Key='a.txt', Metadata=metadata, ContentDisposition='inline', ContentLanguage='de'
    )
    backend = _make(place)
    backend.copy('a.txt', target, overwrite)
    stored = _head(place, target)
    assert {name: stored['Metadata'].get(name) for name in metadata} == metadata
    assert (stored['ContentDisposition'], stored['ContentLanguage']) == ('inline', 'de')
    assert backend.stat(target).metadata == {'owner_id': 'Ann', 'title': 'é'}


@pytest.mark.parametrize(
    ('received', 'read'), [('cafÃ©', 'café'), ('caf\xe9', 'café'), ('Fine', 'Fine')], ids=['UTF-8', 'latin-1', 'ASCII']
)
def test_metadata_that_is_no_ascii_is_read_and_copied(amazon: Any, hook: Any, received: str, read: str) -> None:
    """boto3 refuses to send it, but other programs do, and headers are read as ISO 8859-1. Some stores write names so."""
    backend = amazon.make()
    amazon.put_raw('a.txt', b'content')
    sent: list[Any] = []
    metadata = {'Place': received, 'Fs-Checksum': 'sha256:00'}
    hook(backend, 'after-call.s3.HeadObject', lambda parsed, **_: parsed.update(Metadata=dict(metadata)))
    hook(backend, 'before-call.s3.CopyObject', lambda params, **_: sent.append(params['headers']))
    info = backend.stat('a.txt')
    assert (info.metadata, info.checksum) == ({'place': read}, 'sha256:00')
    backend.copy('a.txt', 'b.html')
    assert sent[0]['x-amz-meta-place'].isascii()
    assert amazon.make().stat('b.html').checksum == 'sha256:00'


def test_a_name_that_is_no_ascii_stays_what_it_is(store: Any) -> None:
    """As another program sends it, without the encoding of RFC 8187."""
    disposition = 'attachment; filename="café.txt"'
    store.client.put_object(Bucket=store.bucket, Key='a.txt', Body=b'content', ContentDisposition=disposition)
    backend = store.make()
    for _ in range(2):
        assert backend.stat('a.txt').download_name == 'café.txt'
        backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    backend.copy('a.txt', 'b.html')
    assert backend.stat('b.html').download_name == 'café.txt'


def test_what_is_no_date_is_left_behind_by_a_copy_that_is_made_anew(amazon: Any, hook: Any) -> None:
    """As in Expires: never, which other programs store."""
    backend = amazon.make()
    amazon.put_raw('a.txt', b'content')
    hook(backend, 'after-call.s3.HeadObject', lambda parsed, **_: parsed.update(ExpiresString='never'))
    backend.copy('a.txt', 'b.html')
    assert amazon.get_raw('b.html') == b'content'


# --- Changed.


def test_a_change_leaves_the_rest(changing: Any) -> None:
    backend = changing.make()
    backend.write('a.txt', b'content', False, attributes=GIVEN)
    before = backend.stat('a.txt')
    backend.set_attributes('a.txt', {'cache_control': 'no-store', 'download_name': None, 'metadata': {'new': 'größer'}})
    after = backend.stat('a.txt')
    assert (after.cache_control, after.download_name, after.metadata) == ('no-store', None, {'new': 'größer'})
    assert (after.mime, after.content_encoding) == (before.mime, before.content_encoding)
    assert (after.checksum, after.etag, after.content_language) == (before.checksum, before.etag, 'de, en-US')
    assert backend.read('a.txt') == b'content'
    backend.set_attributes('a.txt', {'mime': None, 'metadata': None})
    after = backend.stat('a.txt')
    assert (after.mime, after.metadata, after.checksum) == ('text/plain', {}, before.checksum)
    assert after.cache_control == 'no-store'


def test_what_is_no_attribute_of_ours_stays(store: Any) -> None:
    given = {'Metadata': {'owner_id': 'Ann'}, 'ContentDisposition': 'inline; filename="x.txt"'}
    store.client.put_object(
        Bucket=store.bucket, Key='a.txt', Body=b'x', Expires='Wed, 21 Oct 2037 07:28:00 GMT', **given
    )
    backend = store.make()
    backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    stored = _head(store, 'a.txt')
    assert stored['ContentDisposition'] == given['ContentDisposition']
    assert stored['Metadata']['owner_id'] == 'Ann'
    assert stored['ExpiresString'] == 'Wed, 21 Oct 2037 07:28:00 GMT'


def test_a_missing_file_cannot_be_changed(changing: Any) -> None:
    with pytest.raises(fs.FileNotFound):
        changing.make().set_attributes('a.txt', {'cache_control': 'no-store'})
    assert changing.names_raw() == []


@pytest.mark.parametrize('known', [False, True])
def test_where_no_version_can_be_replaced_nothing_is_changed(swift: Any, known: bool) -> None:
    """Swift copies an object onto itself, and so brings back what is replaced meanwhile."""
    backend = swift.make(conditional_writes=not known)
    swift.put_raw('a.txt', b'content')
    for _ in range(2):
        with pytest.raises(fs.OperationNotSupported):
            backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    assert _head(swift, 'a.txt').get('CacheControl') is None
    assert swift.names_raw() == ['a.txt']
    assert (Capability.ATTRIBUTES in backend.capabilities) == (not known)
    if known:
        with pytest.raises(fs.OperationNotSupported, match='cache_control'):
            backend.write('a.txt', b'new', attributes=Attributes(cache_control='no-store'))
    assert swift.get_raw('a.txt') == b'content'


@pytest.mark.parametrize('whole', [True, False], ids=['by one request', 'in parts'])
def test_a_large_file_keeps_its_bytes(store: Any, whole: bool, sent: Watch) -> None:
    content = bytes(range(256)) * 4096 * 6
    backend = store.make(conditional_completion=not whole)
    backend.write('a.bin', content, attributes=Attributes(metadata={'a': 'b'}))
    before = backend.stat('a.bin')
    with sent(backend) as operations:
        backend.set_attributes('a.bin', {'cache_control': 'no-store'})
    assert ('UploadPartCopy' in operations) == (not whole)
    after = backend.stat('a.bin')
    assert (after.cache_control, after.metadata, after.checksum) == ('no-store', {'a': 'b'}, before.checksum)
    assert store.get_raw('a.bin') == content
    assert store.names_raw() == ['a.bin']


def test_no_byte_passes_through_on_amazon(amazon: Any, sent: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = amazon.make()
    backend.write('a.bin', bytes(PART + 1))
    with sent(backend) as operations:
        backend.set_attributes('a.bin', {'cache_control': 'no-store'})
    assert operations == ['HeadObject', 'CopyObject']
    monkeypatch.setattr(copying, 'MAX_PART_BYTES', PART)
    with sent(backend) as operations:
        backend.set_attributes('a.bin', {'content_language': 'de'})
    assert operations == ['HeadObject', 'CreateMultipartUpload', 'UploadPartCopy', 'CompleteMultipartUpload']
    info = backend.stat('a.bin')
    assert (info.cache_control, info.content_language) == ('no-store', 'de')
    assert amazon.get_raw('a.bin') == bytes(PART + 1)


def test_amazon_is_sent_the_conditions(amazon: Any, hook: Any) -> None:
    """moto does not heed them, so that they are looked at here."""
    backend = amazon.make()
    backend.write('a.txt', b'content')
    seen: list[Any] = []
    hook(backend, 'before-call.s3.CopyObject', lambda params, **_: seen.append(params['headers']))
    backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    etag = _head(amazon, 'a.txt')['ETag']
    assert [(headers['If-Match'], headers['x-amz-copy-source-if-match']) for headers in seen] == [(etag, etag)]


@pytest.mark.parametrize('event', ['PutObject', 'CompleteMultipartUpload', 'UploadPartCopy'])
@pytest.mark.parametrize('times', [1, 3])
def test_what_is_replaced_meanwhile_is_not_brought_back(store: Any, event: str, times: int, hook: Any) -> None:
    in_parts = event != 'PutObject'
    backend = store.make(conditional_completion=in_parts)
    size = PART if in_parts else 1
    backend.write('a.txt', b'0' * size)
    replaced: list[bytes] = []

    def replace(request: Any, **_: Any) -> None:
        if 'if-match' not in request.url and len(replaced) < times:
            replaced.append(str(len(replaced) + 1).encode() * size)
            store.put_raw('a.txt', replaced[-1])

    hook(backend, f'before-send.s3.{event}', replace)
    backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    assert len(replaced) == times
    assert store.get_raw('a.txt') == replaced[-1]
    info = backend.stat('a.txt')
    assert (info.cache_control, info.checksum) == ('no-store', None)
    assert store.names_raw() == ['a.txt']


def test_a_file_that_is_replaced_each_time_is_an_error(store: Any, hook: Any) -> None:
    backend = store.make()
    backend.write('a.txt', b'0')
    replaced: list[bytes] = []

    def replace(request: Any, **_: Any) -> None:
        if 'if-match' not in request.url:
            replaced.append(str(len(replaced) + 1).encode())
            store.put_raw('a.txt', replaced[-1])

    hook(backend, 'before-send.s3.PutObject', replace)
    with pytest.raises(fs.Unavailable, match='other writers keep changing it'):
        backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    assert store.get_raw('a.txt') == replaced[-1]


def test_a_file_that_is_removed_meanwhile_does_not_come_back(store: Any, hook: Any) -> None:
    backend = store.make()
    backend.write('a.txt', b'0')

    def remove(request: Any, **_: Any) -> None:
        if 'if-match' not in request.url:
            store.client.delete_object(Bucket=store.bucket, Key='a.txt')

    hook(backend, 'before-send.s3.PutObject', remove)
    with pytest.raises(fs.FileNotFound):
        backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    assert store.names_raw() == []


def test_a_change_whose_response_is_lost_has_succeeded(store: Any, proxy: Any, backend: Any) -> None:
    backend.write('a.txt', b'content')
    backend.set_attributes('a.txt', {'content_language': 'de'})
    fault = proxy.lose_response(when=lambda request: request.method == 'PUT')
    backend.set_attributes('a.txt', {'cache_control': 'no-store'})
    assert fault.is_spent
    assert (backend.stat('a.txt').cache_control, backend.stat('a.txt').content_language) == ('no-store', 'de')
