"""Joining the pieces of an upload to one file, inside the store."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from functools import partial

import pytest

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, BaseBackend, Capability, checksum_of
from flask_fs.backends.incoming import Incoming, new_id
from flask_fs.files import mime_type

from ..arriving import accept, arrived
from ..guarantees import broken, check, declares
from ..harness import Harness
from ..measurements import record, sizes_of
from ..metering import can_be_metered, metered
from .content import content_of
from .copying import after_hook
from .operations import OLD, left_behind

#: The types and headers that a client can send with a piece.
_OF_A_CLIENT = Attributes(
    'text/html', 'public, max-age=9999', 'gzip', 'de', 'program.exe', {'by': 'a client'}
)  # fmt: skip
_GIVEN = Attributes('image/x-kit', 'no-store', None, 'en', 'given.png', {'by': 'the application'})


class JoinChecks:
    """Uploads that arrive in pieces, and become a file."""

    @check(
        '_join',
        cause='Pieces are sorted by name as text, or the last one, a small one or an empty one is omitted. Check _join.',
    )
    def test_pieces_are_joined_exactly(self, harness: Harness) -> None:
        """Pieces of any size become one file with all their bytes, in the given order, and the right metadata."""
        for prefix in ('', 'tenants/9'):
            backend = harness.make(prefix=prefix)
            for number, sizes in enumerate(_splits(harness) if not prefix else [(3, 5, 2)]):
                content, target = content_of(sum(sizes)), f'd/{number}.bin'
                accept(arrived(backend, *_split(content, sizes)), target)
                if (seen := backend.read(target)) != content:
                    broken(
                        f'Expected pieces of {sizes} bytes to be joined in order; saw {len(seen)} bytes that differ from byte '
                        f'{_first_difference(seen, content)} on.'
                    )
                assert backend.stat(target).size == len(content)
                expect_true_checksum(backend, target, content)
                backend.remove(target)
            if left := left_behind(harness, backend, sweep=False):
                broken(f'Expected nothing to be left after joined files are removed; saw {left[:5]}.')

    @check(
        '_join',
        proves=Capability.ATOMIC_CREATE,
        cause='The target is looked up before the pieces are joined, and not again: pass `create` on to the step that makes the file visible.',
    )
    def test_a_join_that_is_refused_changes_nothing(self, harness: Harness) -> None:
        """If the target already exists, or is created meanwhile, FileExists is raised, and it and the pieces are unchanged; with overwrite it is replaced."""
        backend = harness.make()
        for sizes in ((10,), (4, 6), (min(harness.part_sizes, default=CHUNK_BYTES), 5)):
            content = content_of(sum(sizes))
            incoming = arrived(backend, *_split(content, sizes))
            backend.write('x', OLD)
            before = harness.names_raw()
            with pytest.raises(fs.FileExists):
                incoming.create(incoming.pieces(), 'x', create=True)
            _expect(backend, 'x', OLD, f'a refused join of pieces of {sizes} bytes to it')
            if (seen := harness.names_raw()) != before:
                broken(f'Expected a refused join to change nothing, {before}; saw {seen}.')
            # The refused caller uses another name.
            incoming.create(incoming.pieces(), 'y', create=True)
            _expect(backend, 'y', content, 'joining the same pieces to another name')
            incoming.discard()
            accept(arrived(backend, *_split(content, sizes)), 'x', create=False)
            _expect(backend, 'x', content, 'replacing it')
            backend.remove('x')
            backend.remove('y')
        if declares(backend, Capability.ATOMIC_CREATE):
            _rival_comes(harness)
        if left := left_behind(harness, backend):
            broken(f'Expected nothing to be left of refused joins; saw {left[:5]}.')

    @check(
        '_join',
        cause='The type of a piece, or the one that its name suggests, is copied, or attributes are dropped. Check how _join creates the target.',
    )
    def test_a_joined_file_has_the_given_attributes_alone(self, harness: Harness) -> None:
        """The file has exactly the given attributes and, if no type is given, the type that its name suggests: nothing that a client sent."""
        backend = harness.make()
        of_pieces = NO_ATTRIBUTES
        if declares(backend, Capability.SIGNED_UPLOAD):
            keeps_all = declares(backend, Capability.ATTRIBUTES)
            of_pieces = _OF_A_CLIENT if keeps_all else Attributes(_OF_A_CLIENT.mime)
        given = [NO_ATTRIBUTES]
        if declares(backend, Capability.MIME):
            given.append(Attributes(_GIVEN.mime))
        if declares(backend, Capability.ATTRIBUTES):
            given.append(_GIVEN)
        for attributes in given:
            for contents in ((b'one piece',), (b'several ', b'pieces')):
                accept(arrived(backend, *contents, attributes=of_pieces), 'x.png', attributes=attributes)
                info = backend.stat('x.png')
                expected = attributes.mime or mime_type('x.png')
                if (info.mime, info.attributes) != (expected, attributes):
                    broken(f'Expected {attributes} and the type {expected}; saw {info.attributes} and {info.mime}.')
                assert backend.read('x.png') == b''.join(contents)
                backend.remove('x.png')

    @check(
        '_join',
        cause='A piece is read or copied only by name: compare its etag, in the request that reads or copies it.',
    )
    def test_only_the_pieces_that_were_seen_are_joined(self, harness: Harness) -> None:
        """If a piece is gone, or a client has replaced it since it was listed, an error is raised, and no file is created."""
        backend = harness.make()
        for contents in ((b'seen',), (b'first', b'seen'), (b'seen', b'last')):
            at = contents.index(b'seen')
            incoming = arrived(backend, *contents)
            pieces = incoming.pieces()
            incoming.discard([pieces[at]])
            with pytest.raises((fs.FileNotFound, fs.Replaced)):
                incoming.create(pieces, 'x', create=True)
            incoming.discard()
            if declares(backend, Capability.SIGNED_UPLOAD):
                incoming = arrived(backend, *contents)
                pieces = incoming.pieces()
                _replace(backend, pieces[at].name, b'evil')
                try:
                    incoming.create(pieces, 'x', create=True)
                except fs.Replaced:
                    pass
                else:
                    broken(
                        'Expected Replaced for a piece that was replaced after it was listed; saw '
                        f'{backend.read("x")!r} joined.'
                    )
                incoming.discard()
            if backend.exists('x'):
                broken(f'Expected no file from incomplete pieces; saw {backend.read("x")!r}.')
        if left := left_behind(harness, backend):
            broken(f'Expected nothing to be left of joins that failed; saw {left[:5]}.')

    @check(
        'SIGNED_UPLOAD',
        proves=Capability.SIGNED_UPLOAD,
        cause='_join is the default one, which reads the pieces, or it reads some of them, maybe only large or small ones.',
    )
    def test_pieces_are_joined_inside_the_store(self, harness: Harness) -> None:
        """With SIGNED_UPLOAD, uploaded content becomes a file without passing through the application."""
        if not can_be_metered(harness):
            return
        allowed, writer = harness.overhead_bytes, harness.make()
        if not declares(writer, Capability.SIGNED_UPLOAD):
            return
        with metered(harness) as (backend, meter):
            size = sizes_of(harness, min_bytes=4 * allowed)['parts']
            for way, sizes in {'join_one': (size,), 'join_several': (size, size // 2)}.items():
                content = content_of(sum(sizes))
                pieces = (mine := arrived(writer, *_split(content, sizes))).pieces()
                joining = Incoming(backend, new_id())
                moved = meter(partial(joining.create, pieces, 'x', create=False))
                record(harness, 'moved', **{way: moved})
                assert writer.read('x') == content
                if moved > allowed:
                    broken(
                        f'Expected joining pieces of {sizes} bytes to transfer at most {allowed:,} bytes through the application; '
                        f'saw {moved:,}.'
                    )
                mine.discard()


def _rival_comes(harness: Harness) -> None:
    """Another writer creates the target as soon as anything is read, if it is."""
    backend, rival = harness.make(), harness.make()
    incoming = arrived(backend, b'some', b'thing')
    came = list[str]()

    def come() -> None:
        with contextlib.suppress(fs.FileExists):
            rival.write('rival', OLD, overwrite=False)
            came.append('rival')

    looks = (after_hook(backend, hook, come) for hook in ('_open', '_stat'))
    with contextlib.ExitStack() as stack, contextlib.suppress(fs.FileExists):
        for look in looks:
            stack.enter_context(look)
        incoming.create(incoming.pieces(), 'rival', create=True)
    _expect(backend, 'rival', OLD if came else b'something', 'joining to it, while another writer can create it')
    incoming.discard()
    backend.remove('rival')


def _splits(harness: Harness) -> Iterator[tuple[int, ...]]:
    border = min(harness.part_sizes, default=CHUNK_BYTES)
    yield from ((10,), (0,), (3, 5, 2), (1,) * 33)
    yield from ((border,), (border, 1), (border - 1, 2, border + 1), (border + 1, 7, border))


def _split(content: bytes, sizes: tuple[int, ...]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield content[at : at + size]
        at += size


def _first_difference(one: bytes, other: bytes) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, theirs) in pairs if mine != theirs), min(len(one), len(other)))


def expect_true_checksum(backend: BaseBackend, name: str, content: bytes) -> None:
    """Fail if stat returns another checksum than that of *content*."""
    if (seen := backend.stat(name).checksum) is None:
        return
    if seen != (true := checksum_of([content], seen.partition(':')[0])):
        broken(f'Expected the checksum of {name!r} to be {true}, or None; saw {seen}.')


def _expect(backend: BaseBackend, name: str, content: bytes, when: str) -> None:
    if (seen := backend.read(name)) != content:
        broken(f'Expected {name} to have {content[:20]!r} after {when}; saw {seen[:20]!r}.')


def _replace(backend: BaseBackend, key: str, content: bytes) -> None:
    backend._put_translated(key, io.BytesIO(content), create=False)
