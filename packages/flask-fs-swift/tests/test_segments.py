"""Large files: whole or not at all, and no segment is left of what is gone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

import flask_fs as fs
from flask_fs_testing.sources import Failing, OnlyRead, Pattern, SourceFailed

pytestmark = pytest.mark.slow

SEGMENT_BYTES = 200_000
LARGE = bytes(range(256)) * 2000
OTHER = bytes(reversed(LARGE))


@pytest.fixture
def backend(swift_harness):
    return swift_harness.make(segment_bytes=SEGMENT_BYTES)


def save(backend, content, name='x', **options):
    backend.save(io.BytesIO(content), name, **{'overwrite': True, **options})


def test_a_large_file_is_a_manifest_of_segments_with_its_own_checksum(swift_harness, backend):
    source = Pattern(900_000)
    backend.save(source, 'a/x.txt', mime='text/x-own', overwrite=True)
    segments = swift_harness.segments()
    assert len(segments) == 5
    assert all(
        re.fullmatch(rf'{swift_harness.container}/a/x\.txt/fs-[0-9a-f]{{32}}/\d{{6}}', name) for name in segments
    )
    info = backend.stat('a/x.txt')
    assert (info.size, info.mime) == (900_000, 'text/x-own')
    assert info.checksum == f'sha256:{source.digest.hexdigest()}'
    [listed] = backend.scan()
    assert (listed.name, listed.size, listed.etag, listed.modified) == ('a/x.txt', 900_000, info.etag, info.modified)
    assert swift_harness.headers('a/x.txt')['x-static-large-object'] == 'True'


def test_a_range_across_segments_is_one_request(swift_harness, proxy, methods_of):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    save(backend, LARGE)

    def read_range():
        assert backend.read_range('x', 199_500, 200_500) == LARGE[199_500:200_500]

    assert methods_of(read_range) == ['GET']
    with backend.open('x', 'rb') as file:
        file.seek(-10, 2)
        assert file.read() == LARGE[-10:]


def test_replacing_a_large_file_takes_its_segments_along(swift_harness, backend):
    save(backend, LARGE)
    first = swift_harness.segments()
    save(backend, OTHER)
    second = swift_harness.segments()
    assert len(first) == len(second) == 3
    assert not set(first) & set(second)
    assert backend.read('x') == OTHER
    backend.write('x', b'small')
    assert swift_harness.segments() == []
    assert backend.read('x') == b'small'


def test_a_small_file_copied_over_a_large_one_takes_its_segments_along(swift_harness, backend):
    save(backend, LARGE)
    backend.write('small', b'small')
    backend.copy('small', 'x')
    assert swift_harness.names_raw() == ['small', 'x']


def test_deleting_large_files_takes_their_segments_along(swift_harness, backend):
    for name in ('x', 'a/1', 'a/b/2', 'ab'):
        save(backend, LARGE, name)
    backend.delete('x')
    backend.delete('a')
    assert backend_names(backend) == ['ab']
    assert backend.read('ab') == LARGE
    assert len(swift_harness.segments()) == 3
    backend.delete('ab')
    assert swift_harness.names_raw() == []


def test_a_backend_that_never_stored_a_large_file_removes_segments_too(swift_harness, backend):
    save(backend, LARGE)
    save(backend, LARGE, 'y')
    swift_harness.make().delete('x')
    swift_harness.make().write('y', b'')
    assert swift_harness.names_raw() == ['y']


def test_a_copy_of_a_large_file_outlives_it(swift_harness, backend):
    save(backend, LARGE, 'x.bin', mime='text/x-own')
    backend.copy('x.bin', 'copy.bin')
    before = backend.stat('x.bin')
    backend.move('copy.bin', 'moved.bin')
    backend.delete('x.bin')
    assert swift_harness.names_raw() == ['moved.bin']
    assert backend.read('moved.bin') == LARGE
    after = backend.stat('moved.bin')
    assert (before.checksum, before.mime, before.size) == (after.checksum, after.mime, after.size)


def test_a_file_too_large_to_be_one_object_is_copied_by_its_segments(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    save(backend, LARGE, 'x.bin', mime='text/x-own')
    for create in (False, True):
        proxy.answer(413, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
        backend.copy('x.bin', f'copy-{create}.bin', overwrite=not create)
    assert len(swift_harness.segments()) == 9
    info = backend.stat('x.bin')
    backend.delete('x.bin')
    for create in (False, True):
        copied = backend.stat(f'copy-{create}.bin')
        assert backend.read(f'copy-{create}.bin') == LARGE
        assert (info.checksum, info.mime, info.size) == (copied.checksum, copied.mime, copied.size)
    backend.delete('copy-False.bin')
    backend.delete('copy-True.bin')
    assert swift_harness.names_raw() == []


def test_a_small_file_that_the_store_will_not_copy_is_too_large(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy)
    backend.write('x', b'small')
    proxy.answer(413, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    with pytest.raises(fs.FileTooLarge):
        backend.copy('x', 'y')


def test_a_copy_by_segments_that_fails_leaves_nothing(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES, retries=0)
    save(backend, LARGE)
    before = swift_harness.names_raw()
    proxy.answer(413, headers=swift_harness.trans_id, when=lambda request: request.method == 'COPY')
    proxy.answer(500, when=lambda request: request.method == 'COPY' and request.path.endswith('/000002'))
    with pytest.raises(fs.Unavailable):
        backend.copy('x', 'y')
    assert swift_harness.names_raw() == before


def test_a_source_that_fails_late_leaves_no_segment(swift_harness, backend):
    save(backend, LARGE)
    before = swift_harness.names_raw()
    for create, name in ((False, 'x'), (True, 'new')):
        with pytest.raises(SourceFailed):
            backend.save(Failing(LARGE, 450_000), name, overwrite=not create)
        assert swift_harness.names_raw() == before
    assert backend.read('x') == LARGE


def test_creating_a_large_file_keeps_the_first(swift_harness, backend):
    save(backend, LARGE, overwrite=False)
    before = swift_harness.names_raw()
    with pytest.raises(fs.FileExists):
        save(backend, OTHER, overwrite=False)
    assert swift_harness.names_raw() == before
    assert backend.read('x') == LARGE


def test_a_name_taken_during_a_large_upload_stays_with_whoever_was_first(swift_harness, backend):
    class Overtaken(OnlyRead):
        def read(self, size=-1):
            if not (piece := super().read(size)):
                swift_harness.put_raw('x', b'first')
            return piece

    with pytest.raises(fs.FileExists):
        backend.save(Overtaken(LARGE), 'x', overwrite=False)
    assert swift_harness.names_raw() == ['x']
    assert backend.read('x') == b'first'


def is_manifest(request):
    return request.method == 'PUT' and 'multipart-manifest' in request.path


def test_a_manifest_whose_response_is_lost_is_put_again(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    for create, name in ((False, 'x'), (True, 'y')):
        proxy.lose_answer(when=is_manifest)
        save(backend, LARGE, name, overwrite=not create)
        assert backend.read(name) == LARGE
    assert len(swift_harness.segments()) == 6


def test_a_manifest_that_may_be_in_place_keeps_its_segments(swift_harness, proxy):
    """It is unknown whether the file is there: it is, and it is whole."""
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES, retries=1)
    proxy.lose_answer(when=is_manifest, times=2)
    with pytest.raises(fs.Unavailable):
        save(backend, LARGE)
    assert backend.read('x') == LARGE


def test_a_created_manifest_keeps_its_segments_while_it_is_unknown_whose_it_is(swift_harness, proxy):
    """Its response is lost, the second attempt finds the name taken, and looking by whom fails: it was ourselves."""
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES, retries=1)
    proxy.lose_answer(when=is_manifest)
    proxy.answer(
        500,
        times=2,
        when=lambda request: request.method == 'HEAD' and any(is_manifest(each) for each in proxy.requests),
    )
    with pytest.raises(fs.Unavailable):
        save(backend, LARGE, overwrite=False)
    assert backend.read('x') == LARGE


def test_segments_that_cannot_be_removed_are_left_to_sweeping(swift_harness, proxy, caplog):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES, retries=0)
    save(backend, LARGE)
    proxy.answer(500, when=lambda request: request.method == 'POST')
    backend.write('x', b'new')
    assert 'Run flask fs sweep to remove them' in caplog.text
    assert len(swift_harness.segments()) == 3
    assert backend.sweep(older_than_s=0) == 3
    assert swift_harness.names_raw() == ['x']


def test_a_large_file_replaced_by_a_small_one_while_it_is_looked_at_is_left_alone(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    save(backend, LARGE)
    segments = backend._segments
    assert len(segments.of('x')) == 3
    swift_harness.put_raw('x', LARGE)
    assert segments.manifest('x')[1] == []
    assert segments.manifest('gone')[1] == []
    assert backend._client.account.pool.in_use == 0


def test_a_manifest_that_is_refused_leaves_no_segment(swift_harness, proxy):
    backend = swift_harness.make_counted(proxy, segment_bytes=SEGMENT_BYTES)
    proxy.answer(413, headers=swift_harness.trans_id, when=is_manifest)
    with pytest.raises(fs.FileTooLarge):
        save(backend, LARGE)
    assert swift_harness.names_raw() == []


def test_writers_of_one_name_never_take_each_other_s_segments(swift_harness, backend):
    contents = [bytes([number]) * 500_000 for number in range(6)]
    threads = [threading.Thread(target=save, args=(backend, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.read('x') in contents
    assert len(swift_harness.segments()) >= 3
    backend.sweep(older_than_s=0)
    assert backend.read('x') in contents
    assert len(swift_harness.segments()) == 3


def test_sweeping_removes_what_no_manifest_names_and_nothing_else(swift_harness, backend):
    inner = swift_harness.make(prefix='inner', segment_bytes=SEGMENT_BYTES)
    save(backend, LARGE, 'kept')
    save(backend, LARGE, 'gone')
    save(inner, LARGE, 'gone')
    # As a death between manifest and tidying leaves them.
    for name in ('gone', 'inner/gone'):
        swift_harness.raw.request('DELETE', f'/{swift_harness.container}/{name}')
    segments_container = f'{swift_harness.container}_segments'
    theirs = f'{swift_harness.container}/gone/slo/1/2/000000'
    swift_harness.raw.request('PUT', f'/{segments_container}/{theirs}', b'of another program')
    assert backend.sweep() == 0
    assert inner.sweep(older_than_s=0) == 3
    assert backend.sweep(older_than_s=0) == 3
    assert backend.sweep(older_than_s=0) == 0
    assert backend.read('kept') == LARGE
    assert len(swift_harness.segments()) == 4
    assert theirs in swift_harness.segments()


def test_sweeping_a_store_without_segments_does_nothing(backend):
    assert backend.sweep() == 0


def test_segments_outlive_a_change_of_their_file_s_metadata(swift_harness, backend):
    """Swift's POST drops all metadata, and with it our checksum: nothing depends on it."""
    save(backend, LARGE)
    swift_harness.raw.request('POST', f'/{swift_harness.container}/x', headers={'X-Object-Meta-Of-Them': 'yes'})
    assert backend.sweep(older_than_s=0) == 0
    assert backend.read('x') == LARGE
    assert backend.stat('x').checksum is None
    assert backend.metadata('x')['checksum'].startswith('sha256:')
    backend.delete('x')
    assert swift_harness.names_raw() == []


def test_large_files_of_other_programs_lose_no_segment(swift_harness, backend):
    backend.write('warm', b'')
    place = f'{swift_harness.container}_segments'
    swift_harness.raw.request('PUT', f'/{place}')
    swift_harness.raw.request('PUT', f'/{place}/theirs/1', b'abc')
    manifest = json.dumps([{'path': f'/{place}/theirs/1'}]).encode()
    swift_harness.raw.request('PUT', f'/{swift_harness.container}/x?multipart-manifest=put', manifest)
    # The first one has seen that there were no segments, and believes so for a minute.
    fresh = swift_harness.make()
    for each in (backend, fresh):
        assert each.read('x') == b'abc'
        assert each.stat('x').size == 3
    fresh.delete('x')
    assert not backend.exists('x')
    assert swift_harness.segments() == ['theirs/1']


def test_a_name_too_long_for_segments_is_reported(backend):
    name = 'n' * 1000
    backend.write(name, b'small')
    with pytest.raises(fs.InvalidFilename, match=r'name that is \d+ bytes shorter'):
        save(backend, LARGE, name)
    assert backend.read(name) == b'small'


def test_a_missing_container_of_segments_is_created_or_reported(swift_harness):
    backend = swift_harness.make(segment_bytes=SEGMENT_BYTES, create_container=False)
    with pytest.raises(fs.BackendError, match='KIT_FS_CREATE_CONTAINER') as caught:
        save(backend, LARGE)
    assert f'{swift_harness.container}_segments' in str(caught.value)


UPLOAD = """
import sys
from flask_fs_swift import SwiftBackend

class Endless:
    sent = 0

    def read(self, size=-1):
        self.sent += size
        if self.sent > 3_000_000:
            print('under way', flush=True)
            sys.stdin.read()
        return b'n' * size

config = dict(line.split('=', 1) for line in sys.argv[1:])
SwiftBackend('kit', config).save(Endless(), 'x', overwrite=True)
"""


def test_a_killed_upload_changes_nothing_and_is_swept(swift_harness, backend):
    save(backend, LARGE)
    given = {**swift_harness.settings(), 'segment_bytes': SEGMENT_BYTES}
    command = [sys.executable, '-c', UPLOAD, *(f'{key}={value}' for key, value in given.items())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == 'under way\n'
        os.kill(child.pid, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert backend_names(backend) == ['x']
    assert backend.read('x') == LARGE
    assert len(swift_harness.segments()) > 3
    assert backend.sweep() == 0
    assert backend.sweep(older_than_s=0) > 0
    assert len(swift_harness.segments()) == 3
    assert backend.read('x') == LARGE


def test_a_reader_of_a_replaced_file_notices(backend):
    save(backend, LARGE)
    with backend.open('x', 'rb') as file:
        seen = file.read(1000)
        backend.write('x', OTHER)
        file.seek(300_000)
        with pytest.raises(fs.Replaced):
            file.read(10)
    assert seen == LARGE[:1000]
    with contextlib.closing(backend.open('x', 'rb')) as file:
        assert file.read() == OTHER


def backend_names(backend):
    return list(backend.list_files())
