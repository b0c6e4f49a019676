"""Sources of files: pieces and buffers of every kind, and the effects of a refused one."""

from __future__ import annotations

import gzip
import io
import itertools
import tempfile
import zlib
from array import array
from collections.abc import Callable
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend

from ..guarantees import broken, check
from ..harness import Harness
from ..measurements import sizes_of
from ..sources import OnlyRead
from .content import content_of


class Pieces(OnlyRead):
    """Returns pieces that are not ``bytes``."""

    def __init__(self, content: bytes, step: int, kind: Callable[[bytes], Any]) -> None:
        super().__init__(content, step)
        self._kind = kind

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as an object of that kind."""
        piece: bytes = self._kind(super().read(size))
        return piece


class Generous(OnlyRead):
    """Returns more than requested, as a source with its own piece size does."""

    def read(self, size: int = -1) -> bytes:
        """The next *step* bytes."""
        return super().read(self._step) if size else b''


class UploadChecks:
    """Sources and buffers."""

    @check(
        '_put',
        cause='A piece that is shorter than requested is treated as the last one, or a full last part is not. '
        'Check the loop in _put: it ends when read() returns nothing.',
    )
    def test_pieces_of_any_size_make_the_same_file(self, harness: Harness) -> None:
        """A source can return pieces of any size, and any kind of bytes: all of them are stored, in order."""
        backend = harness.make()
        border, parts = (sizes_of(harness)[size_class] for size_class in ('border', 'parts'))
        sizes = itertools.cycle((2 * min(harness.part_sizes, default=CHUNK_BYTES), border, parts))
        sources: dict[str, Callable[[bytes], object]] = {
            'pieces of an odd size': lambda content: OnlyRead(content, step=65_537),
            'pieces a byte short of a part': lambda content: OnlyRead(content, step=border - 1),
            'pieces as large as a part': lambda content: OnlyRead(content, step=border),
            'pieces a byte longer than a part': lambda content: Generous(content, step=border + 1),
            'one piece, larger than requested': lambda content: Generous(content, step=len(content)),
            'pieces of a bytearray': lambda content: Pieces(content, 100_003, bytearray),
            'pieces of a memoryview': lambda content: Pieces(content, border // 2, memoryview),
            'a file in memory': io.BytesIO,
        }
        for what, source in sources.items():
            content = content_of(next(sizes))
            backend.save(source(content), 'x', overwrite=True)
            _same(harness, backend, content, f'{len(content)} bytes in {what}')
        for step in (1, 7):
            backend.save(OnlyRead(b'0123456789' * 5, step), 'x', overwrite=True)
            _same(harness, backend, b'0123456789' * 5, f'50 bytes in pieces of {step}')

    @check(
        'write',
        cause='len() of a memoryview counts items, not bytes, or everything that is not a str is treated as bytes. Check write().',
    )
    def test_every_kind_of_bytes_is_stored_as_its_bytes(self, harness: Harness) -> None:
        """bytes, bytearray and memoryview, also with items larger than a byte, are stored as exactly their bytes."""
        backend = harness.make()
        numbers = array('I', range(5000))
        content = numbers.tobytes()
        kinds = {
            'bytes': content,
            'bytearray': bytearray(content),
            'memoryview': memoryview(content),
            'memoryview of a bytearray': memoryview(bytearray(content)),
            'memoryview of numbers': memoryview(numbers),
            'slice of a memoryview': memoryview(b'-' + content + b'-')[1:-1],
            'memoryview of every second byte': memoryview(bytes(byte for byte in content for _ in range(2)))[::2],
            'BytesIO': io.BytesIO(content),
        }
        for kind, given in kinds.items():
            backend.write('x', given)
            _same(harness, backend, content, f'a {kind} of {len(content)} bytes')

    @check(
        '_put and _open',
        cause='The client library decodes content marked as compressed, blocks are padded and trimmed, or bytes are converted '
        'to text. Check the requests of _put and _open, and the headers that they send.',
    )
    def test_bytes_that_mean_something_elsewhere_are_kept(self, harness: Harness) -> None:
        """Content is returned byte for byte, including compressed data, byte order marks, zeros and newlines, whatever the name and type."""
        backend = harness.make()
        compressed = gzip.compress(b'content ' * 100, mtime=0)
        contents = {
            'a.txt.gz': compressed,
            'no-gzip.gz': b'not compressed at all',
            'gzip-inside': compressed,
            'deflated.z': zlib.compress(b'content ' * 100),
            'mark.txt': b'\xef\xbb\xbftext',
            'mark-16.txt': b'\xff\xfet\0',
            'lines.txt': b'\r\n\none\r\n\rtwo \t\r\n\n',
            'zeros.bin': bytes(10_000),
            'zeros-behind.bin': b'content' + bytes(5000),
            'ends.bin': b'\x1a\x04\0\x1a',
            'encoded.txt': b'aGVsbG8=',
            'chunked': b'5\r\nhello\r\n0\r\n\r\n',
        }
        mimes = itertools.cycle((None, 'application/gzip', 'text/plain; charset=utf-16'))
        for name, content in contents.items():
            backend.save(io.BytesIO(content), name, mime=next(mimes))
            with backend.open(name, 'rb') as file:
                seen = (backend.read(name), harness.get_raw(name), file.read(), b''.join(backend.read_chunks(name)))
            if (encoding := backend.stat(name).content_encoding) is not None:
                broken(f'Expected no Content-Encoding for {name!r}, which was stored without one; saw {encoding!r}.')
            if {*seen} != {content} or backend.stat(name).size != len(content):
                broken(
                    f'Expected {content[:30]!r} from {name!r}, {len(content)} bytes; saw {[each[:30] for each in seen]} '
                    f'from read(), the store, open() and read_chunks(), and the size {backend.stat(name).size}.'
                )

    @check(
        '_put',
        cause='The buffer of the caller is kept, or read later: copy what is kept, and read the source before _put returns.',
    )
    def test_a_buffer_changed_after_it_was_stored_changes_no_file(self, harness: Harness) -> None:
        """When storing has returned, the file has its content: the caller can reuse the buffer."""
        backend = harness.make()
        for size in (sizes_of(harness)[size_class] for size_class in ('small', 'border')):
            content = content_of(size)
            buffer, file = bytearray(content), io.BytesIO(content)
            backend.write('buffer', buffer)
            backend.write('view', memoryview(buffer))
            backend.save(file, 'file', overwrite=True)
            pieces = list[bytearray]()

            def keep(piece: bytes, pieces: list[bytearray] = pieces) -> bytearray:
                pieces.append(bytearray(piece))
                return pieces[-1]

            backend.save(Pieces(content, size, keep), 'pieces', overwrite=True)
            for piece in pieces:
                piece[:] = bytes(len(piece))
            buffer[:] = file.getbuffer()[:] = bytes(size)
            for name in ('buffer', 'view', 'file', 'pieces'):
                if not content == backend.read(name) == harness.get_raw(name):
                    broken(f'Expected the {size} bytes with which {name!r} was stored; saw those now in the buffer.')

    @check(
        '_put with create',
        cause='Content that was sent before the name was found to exist is kept, or the metadata of the refused file is. Check '
        'the end of _put, where it refuses.',
    )
    def test_a_refused_create_leaves_nothing(self, harness: Harness) -> None:
        """If a file is refused because its name exists, the existing file and its metadata are unchanged, nothing else is left, and the source stays open."""
        backend = harness.make()
        old = b'old content'
        backend.write('x', old)
        before, facts = harness.names_raw(), _facts(backend)
        for size in sizes_of(harness).values():
            content = content_of(size)
            file = io.BytesIO(content)
            attempts: dict[str, Callable[[], object]] = {
                'save() of a file': lambda file=file: backend.save(file, 'x'),  # type: ignore[misc]  # bound now
                'save() of a stream': lambda content=content: backend.save(OnlyRead(content, 65_537), 'x'),  # type: ignore[misc]
                'write()': lambda content=content: backend.write('x', content, overwrite=False),  # type: ignore[misc]
                'open()': lambda content=content: _create(backend, content),  # type: ignore[misc]
            }
            for what, attempt in attempts.items():
                with pytest.raises(fs.FileExists):
                    attempt()
                if (seen := harness.names_raw()) != before or harness.get_raw('x') != old:
                    broken(f'Expected only the old x after a refused {what} of {size} bytes; saw {seen}.')
                assert [info.name for info in backend.scan()] == ['x']
                if (now := _facts(backend)) != facts:
                    broken(f'Expected the metadata {facts} of x after a refused {what} of {size} bytes; saw {now}.')
            assert not file.closed
        with tempfile.TemporaryFile() as on_disk:
            on_disk.write(content_of(100_000))
            on_disk.seek(0)
            with pytest.raises(fs.FileExists):
                backend.save(on_disk, 'x', mime='text/x-refused')
            assert not on_disk.closed
        if (now := _facts(backend)) != facts or harness.names_raw() != before:
            broken(f'Expected x with the metadata {facts} after a refused file of another type; saw {now}.')


def _facts(backend: BaseBackend) -> tuple[object, ...]:
    info = backend.stat('x')
    return info.size, info.mime, info.modified, info.checksum, info.etag


def _create(backend: BaseBackend, content: bytes) -> None:
    with backend.open('x', 'xb') as file:
        file.write(content)


def _same(harness: Harness, backend: BaseBackend, content: bytes, what: str) -> None:
    for how, seen in (('read', backend.read('x')), ('found in the store', harness.get_raw('x'))):
        if seen != content:
            at = next(
                (at for at, (one, two) in enumerate(zip(seen, content, strict=False)) if one != two),
                min(len(seen), len(content)),
            )
            broken(f'Expected {what} to be {how} as stored; saw {len(seen)} bytes, which differ at {at}.')
