"""Reading and serving agree with the metadata from stat, and checksums use the algorithm from the settings."""

from __future__ import annotations

import gzip
import hashlib

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability

from ..doubles import BackendWrapper
from ..guarantees import broken, check, declares
from ..harness import Harness

ALGORITHMS = ('sha512', 'md5', 'sha256')
CONTENT = b'0123456789' * 100
#: Content and media type of files, by name.
FILES = {
    'a/x.txt': (CONTENT, None),
    'a/empty.txt': (b'', None),
    'a/y.bin': (CONTENT, 'text/x-special'),
    'b/\u00fc 1.png': (b'1', 'image/webp'),
}

FIELDS = ('name', 'size', 'mime', 'modified', 'etag', 'content_encoding', 'checksum')


class AgreementChecks:
    """The same metadata from every verb."""

    @check(
        '_open',
        cause='_open gets its metadata from another kind of response than _stat, in which a field has another name, is missing, or '
        'describes the requested part. Use one function for both.',
    )
    def test_an_opened_file_has_the_metadata_of_stat(self, harness: Harness) -> None:
        """_open returns the same metadata as stat, in every field, whichever bytes are requested."""
        backend = harness.make()
        for name, (content, mime) in FILES.items():
            backend.write(name, content, mime=mime)
            expected = backend.stat(name)
            for start, stop in ((0, None), (0, 1), (-1, None)):
                info, stream = BackendWrapper(backend).pass_on('open', backend._key(name), start, stop)
                info = backend._strip_prefix(info)
                with stream:
                    # Read while the file is open: a driver might need it for the etag.
                    opened = {field: getattr(info, field) for field in FIELDS}
                for field, seen in opened.items():
                    known = getattr(expected, field)
                    if seen != known and not (field == 'checksum' and seen is None):
                        broken(f'Expected {field} {known!r} for {name!r} from _open({start}, {stop}); saw {seen!r}.')

    @check(
        'serve',
        cause='serve is overridden, or _open returns other metadata than _stat. Override the hooks, and let BaseBackend serve.',
    )
    def test_a_served_file_has_the_metadata_of_stat(self, harness: Harness) -> None:
        """Length, type, ETag and Last-Modified of responses to GET and HEAD match stat."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage)
        client = app.test_client()
        for name, (content, mime) in FILES.items():
            with app.app_context():
                storage.backend.write(name, content, mime=mime)
                info = storage.stat(name)
            modified = None if info.modified is None else info.modified.replace(microsecond=0)
            expected = (200, len(content), info.mime, info.etag, modified)
            for method in ('GET', 'HEAD'):
                response = client.open(f'/kit/{name}', method=method)
                headers = (response.content_length, response.mimetype, response.get_etag()[0], response.last_modified)
                if (seen := (response.status_code, *headers)) != expected:
                    broken(
                        f'Expected status, length, type, ETag and time {expected} for {method} of {name!r}; saw {seen}.'
                    )
                assert response.data == (content if method == 'GET' else b'')

    @check(
        '_copy _stat _open',
        cause='_copy is the default one, or stores the bytes again without their Content-Encoding; or _stat and _open do '
        'not read it. Copy inside the store, or with all metadata in the store.',
    )
    def test_an_encoded_file_stays_encoded(self, harness: Harness) -> None:
        """A file stored with the encoding gzip is read as stored, and reported as gzip, also after copying and moving; clients get it decoded."""
        encoded = gzip.compress(CONTENT)
        try:
            harness.put_encoded_raw('a/x.txt', encoded, 'gzip')
        except NotImplementedError:
            return
        backend = harness.make()
        for overwrite in (True, False):
            backend.copy('a/x.txt', 'b/copied.css', overwrite=overwrite)
            backend.move('b/copied.css', 'b/moved.txt', overwrite=overwrite)
            for name in ('a/x.txt', 'b/moved.txt'):
                with backend.open(name, 'rb') as file:
                    seen = (
                        backend.stat(name).content_encoding,
                        backend.stat(name).size,
                        backend.read(name),
                        file.read(),
                    )
                if seen != ('gzip', len(encoded), encoded, encoded):
                    broken(f'Expected gzip and {len(encoded)} bytes of it for {name!r}; saw {seen}.')
            client = harness.make_app(fs.Storage('kit', fs.ALL)).test_client()
            plain = client.get('/kit/b/moved.txt', headers={'Accept-Encoding': 'identity'})
            sent = client.get('/kit/b/moved.txt', headers={'Accept-Encoding': 'gzip'})
            assert (plain.data, plain.headers.get('Content-Encoding')) == (CONTENT, None)
            assert (sent.data, sent.headers.get('Content-Encoding')) == (encoded, 'gzip')
            backend.delete('b')

    @check(
        'the setting CHECKSUM',
        proves=Capability.CHECKSUM,
        cause='One algorithm is always used, whatever config.checksum is. Check what _put computes: Checksum(self.config.checksum).',
    )
    def test_a_checksum_is_of_the_algorithm_that_is_set(self, harness: Harness) -> None:
        """With the setting CHECKSUM, checksums use that algorithm, both stored and computed ones."""
        for algorithm in ALGORITHMS:
            backend = harness.make(checksum=algorithm)
            for content in (CONTENT, b''):
                backend.write('x', content)
                backend.copy('x', 'copied')
                expected = _checksum(algorithm, content)
                for name in ('x', 'copied'):
                    for verb, seen in _checksums(backend, name).items():
                        if seen != expected and (seen or verb == 'metadata' or declares(backend, Capability.CHECKSUM)):
                            broken(f'Expected {expected!r} by {verb} with CHECKSUM = {algorithm!r}; saw {seen!r}.')

    @check(
        'the setting CHECKSUM',
        proves=Capability.CHECKSUM,
        cause='The algorithm name comes from the setting, not from the stored checksum. Store the name with the checksum, and '
        'check what _stat returns for a file that was stored before.',
    )
    def test_a_checksum_is_true_when_the_setting_has_changed(self, harness: Harness) -> None:
        """A file that was stored with another setting has a correct checksum, of the algorithm that it names."""
        backends = [harness.make(checksum=algorithm) for algorithm in ALGORITHMS]
        for number, after in enumerate(ALGORITHMS):
            before, backend = ALGORITHMS[number - 1], backends[number]
            backends[number - 1].write('x', CONTENT)
            backend.copy('x', 'copied')
            for name in ('x', 'copied'):
                for verb, seen in _checksums(backend, name).items():
                    if seen not in (_checksum(before, CONTENT), _checksum(after, CONTENT)) and (
                        seen or verb == 'metadata'
                    ):
                        broken(
                            f'Expected a correct checksum from {verb} for a file that was stored with CHECKSUM = {before!r}, and '
                            f'read with {after!r}; saw {seen!r}.'
                        )


def _checksum(algorithm: str, content: bytes) -> str:
    return f'{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}'


def _checksums(backend: BaseBackend, name: str) -> dict[str, str | None]:
    return {'stat': backend.stat(name).checksum, 'metadata': backend.metadata(name)['checksum']}
