"""Files are made of pieces inside the cluster: whole or not at all, and like any other file afterwards."""

from __future__ import annotations

import io

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, FileInfo
from flask_fs.backends.incoming import Incoming, new_id
from flask_fs_swift.joins import grouped
from flask_fs_swift.settings import MAX_SEGMENT_BYTES

pytestmark = pytest.mark.slow

SEGMENT_BYTES = 100_000
CONTENT = bytes(range(256)) * 1500


@pytest.fixture
def backend(swift_harness):
    return swift_harness.make(segment_bytes=SEGMENT_BYTES)


def arrived(backend, content, size):
    """An upload that has arrived in pieces of *size* bytes."""
    incoming = Incoming(backend, new_id())
    for start in range(0, len(content) or 1, size):
        incoming.put(io.BytesIO(content[start : start + size]), start)
    return incoming


def accept(incoming, name, *, create=True, attributes=NO_ATTRIBUTES):
    incoming.create(incoming.pieces(), name, create=create, attributes=attributes)
    incoming.discard()


def moved_by(proxy, action):
    before = len(proxy.requests)
    action()
    return sum(each.bytes_up + each.bytes_down for each in proxy.requests[before:])


@pytest.mark.parametrize(
    ('size', 'piece_bytes', 'segments'),
    [
        (0, 1, 0),
        (90_000, 90_000, 0),
        (90_000, 12_000, 0),
        (SEGMENT_BYTES, 50_000, 0),
        (SEGMENT_BYTES + 1, 50_000, 2),
        (330_000, 40_000, 4),
        # One piece stays one object: it is copied as it is.
        (330_000, 330_000, 0),
    ],
)
def test_a_joined_file_is_like_any_other(swift_harness, proxy, size, piece_bytes, segments):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    content, attributes = CONTENT[:size], Attributes(mime='text/x-own', metadata={'a': 'é'})
    incoming = arrived(backend, content, piece_bytes)
    assert moved_by(proxy, lambda: accept(incoming, 'd/x.txt', attributes=attributes)) < 30_000
    assert len(swift_harness.segments()) == segments
    info = backend.stat('d/x.txt')
    assert (info.size, info.mime, info.metadata) == (size, 'text/x-own', {'a': 'é'})
    assert [entry.size for entry in backend.scan()] == [size]
    backend.copy('d/x.txt', 'copy')
    backend.delete('d')
    assert backend.read('copy') == content
    assert backend.sweep(older_than_s=-60) == 0
    backend.delete('copy')
    assert swift_harness.names_raw() == []


@pytest.mark.parametrize('piece_bytes', [40_000, len(CONTENT)])
def test_without_a_key_files_are_joined_too(swift_harness, piece_bytes):
    backend = swift_harness.make(segment_bytes=SEGMENT_BYTES, temp_url_key=None)
    accept(arrived(backend, CONTENT, piece_bytes), 'x.txt')
    assert backend.read('x.txt') == CONTENT
    backend.delete('x.txt')
    assert swift_harness.names_raw() == []


def test_an_upload_in_one_piece_keeps_the_checksum_that_the_application_has_computed(swift_harness):
    backend = swift_harness.make(temp_url_key=None)
    accept(arrived(backend, b'hello', 5), 'x.txt')
    assert backend.stat('x.txt').checksum.startswith('sha256:')


@pytest.mark.parametrize('piece_bytes', [40_000, len(CONTENT)])
def test_joining_replaces_or_creates_and_tidies(swift_harness, backend, piece_bytes):
    accept(arrived(backend, CONTENT, 40_000), 'x')
    with pytest.raises(fs.FileExists):
        accept(incoming := arrived(backend, CONTENT[::-1], piece_bytes), 'x')
    assert backend.read('x') == CONTENT
    assert len(swift_harness.segments()) == 5 + (piece_bytes > SEGMENT_BYTES) * 4
    accept(incoming, 'x', create=False)
    assert backend.read('x') == CONTENT[::-1]
    backend.write('x', b'')
    assert swift_harness.names_raw() == ['x']


@pytest.mark.parametrize('piece_bytes', [40_000, 100_000])
def test_pieces_that_were_replaced_or_are_gone_make_no_file(swift_harness, backend, piece_bytes):
    for which in (0, -1):
        incoming = arrived(backend, CONTENT[:100_000], piece_bytes)
        pieces = incoming.pieces()
        names = swift_harness.names_raw()
        swift_harness.put_raw(pieces[which].name, bytes(pieces[which].size))
        with pytest.raises(fs.Replaced):
            incoming.create(pieces, 'x', create=True)
        backend._remove(pieces[which].name)
        with pytest.raises(fs.FileNotFound):
            incoming.create(pieces, 'x', create=True)
        names.remove(pieces[which].name)
        assert swift_harness.names_raw() == names
        incoming.discard()


def is_copy(request):
    return request.method == 'COPY'


def test_a_piece_that_is_replaced_at_the_last_moment_makes_no_file(swift_harness, proxy):
    """The manifest is accepted, and its copy finds another version, or none."""
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES, retries=0)
    for size in (100_000, 330_000):
        for which, error in ((0, fs.Replaced), (1, fs.Unavailable)):
            incoming = arrived(backend, CONTENT[:size], 40_000)
            pieces = incoming.pieces()

            def strike(request, piece=pieces[which]):
                if is_copy(request):
                    swift_harness.put_raw(piece.name, bytes(piece.size))
                return False

            fault = proxy.respond(200, when=strike)
            with pytest.raises(error):
                incoming.create(pieces, 'x', create=True)
            assert fault.struck == 0
            proxy.recover()
            incoming.discard()
            assert swift_harness.names_raw() == []


def test_what_fails_or_is_interrupted_in_the_middle_leaves_nothing(swift_harness, backend, monkeypatch):
    incoming = arrived(backend, CONTENT, 40_000)
    names, copy, calls = swift_harness.names_raw(), backend._client.copy, 0

    for error in (KeyboardInterrupt, fs.Unavailable):
        for at in (1, 3):

            def fail(*args, **more):
                nonlocal calls
                calls += 1
                response = copy(*args, **more)
                if calls == at:  # noqa: B023  # called in this turn
                    raise error  # noqa: B023
                return response

            calls = 0
            monkeypatch.setattr(backend._client, 'copy', fail)
            with pytest.raises(error):
                incoming.create(incoming.pieces(), 'x', create=True)
            assert swift_harness.names_raw() == names


def test_a_manifest_of_pieces_that_cannot_be_removed_is_swept(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, retries=0)
    incoming = arrived(backend, CONTENT[:90_000], 40_000)
    proxy.respond(500, when=lambda request: request.method == 'DELETE')
    accept(incoming, 'x')
    assert backend.read('x') == CONTENT[:90_000]
    [left] = [name for name in swift_harness.names_raw() if name != 'x']
    assert left.startswith('.fs-incoming/')
    assert list(backend.list_files()) == ['x']
    assert backend.sweep(older_than_s=-60) == 1
    assert swift_harness.names_raw() == ['x']


def test_a_manifest_that_is_refused_for_another_reason_says_so(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    incoming = arrived(backend, CONTENT[:90_000], 40_000)
    for status, error in ((400, fs.BackendError), (413, fs.FileTooLarge)):
        proxy.respond(
            status, 'Too many', headers=swift_harness.trans_id, when=lambda request: 'manifest' in request.path
        )
        with pytest.raises(error):
            incoming.create(incoming.pieces(), 'x', create=True)
    assert not backend.exists('x')


def test_pieces_too_large_to_be_one_object_are_refused_or_copied_by_their_segments(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    incoming = arrived(backend, CONTENT, len(CONTENT))
    proxy.respond(413, headers=swift_harness.trans_id, when=is_copy)
    accept(incoming, 'x')
    assert backend.read('x') == CONTENT
    assert len(swift_harness.segments()) == 4
    incoming = arrived(backend, CONTENT, 200_000)
    proxy.respond(413, headers=swift_harness.trans_id, when=is_copy)
    with pytest.raises(fs.FileTooLarge):
        incoming.create(incoming.pieces(), 'y', create=True)
    incoming.discard()
    assert len(swift_harness.segments()) == 4


def test_a_file_may_have_more_pieces_than_a_manifest_segments(swift_harness, backend, monkeypatch):
    monkeypatch.setattr('flask_fs_swift.joins.MAX_SEGMENTS', 3)
    accept(arrived(backend, CONTENT[:70_000], 10_000), 'x')
    assert backend.read('x') == CONTENT[:70_000]
    assert len(swift_harness.segments()) == 3


def test_many_small_pieces_are_joined_without_the_pauses_of_swift(swift_harness, proxy):
    """It reads ten segments that are smaller than a mebibyte, and then one a second."""
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    for piece_bytes, copies in ((1000, 0), (2000, 1)):
        before = len(proxy.requests)
        accept(arrived(backend, CONTENT[:20_000], piece_bytes), 'x', create=False)
        assert sum(map(is_copy, proxy.requests[before:])) == copies
        assert backend.read('x') == CONTENT[:20_000]


# --- How pieces are grouped.


def pieces_of(*sizes: int) -> list[FileInfo]:
    return [FileInfo(f'{number}', size, None) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ('sizes', 'groups'),
    [
        ([0], [[0]]),
        ([0, 0], [[0]]),
        ([5], [[5]]),
        ([15], [[15]]),
        ([5, 5], [[5, 5]]),
        ([5, 0, 5, 1], [[5, 5], [1]]),
        ([15, 1, 9, 2], [[15], [1, 9], [2]]),
    ],
)
def test_pieces_are_grouped_up_to_the_size_of_a_segment(sizes, groups):
    assert [[piece.size for piece in group] for group in grouped(pieces_of(*sizes), 10)] == groups


@pytest.mark.parametrize(('count', 'size'), [(1_000_000, 1), (30_000, 7_000_000), (5000, 200_000_000)])
def test_no_file_has_more_segments_than_a_manifest(count, size):
    pieces = pieces_of(size) * count
    groups = grouped(pieces, 1024)
    assert [piece for group in groups for piece in group] == pieces
    assert len(groups) <= 1000
    assert max(map(len, groups)) <= 1000
    assert max(sum(piece.size for piece in group) for group in groups) <= MAX_SEGMENT_BYTES
