"""The uploaded pieces of a file that was not accepted yet."""

from __future__ import annotations

import contextlib
import functools
import io

import pytest

import flask_fs as fs
from flask_fs.backends import Capability
from flask_fs.backends.incoming import Incoming

from ..arriving import accept, arrived
from ..guarantees import broken, check, declares
from ..harness import Harness
from ..sources import Failing, SourceFailed
from .operations import left_behind


class IncomingChecks:
    """Uploaded pieces that are not a file yet."""

    @check(
        '_scan and _names and _folder',
        cause='The hidden folder is listed like any other, or a verb accepts its names. Check _scan, _names and _folder, and overridden verbs.',
    )
    def test_what_has_arrived_is_hidden(self, harness: Harness) -> None:
        """No listing, folder, usage, URL or response shows uploaded pieces, and no verb accepts their names."""
        for prefix in ('', 'tenants/9'):
            storage = fs.Storage('kit', fs.ALL)
            app = harness.make_app(storage, prefix=prefix)
            with app.test_request_context():
                backend = storage.backend
                backend.write('there.txt', b'there')
                uploads = [arrived(backend, b'sec', b'ret'), arrived(backend, b'other')]
                hidden = [info.name.removeprefix(backend._prefix) for each in uploads for info in each.pieces()]
                folders = [name.rpartition('/')[0] for name in hidden]
                page = storage.folder()
                seen = {*storage.list_files(), *(info.name for info in storage.scan()), *page.folders}
                seen |= {*backend.list_files(), *(info.name for info in [*backend.scan(), *page.files])}
                if seen != {'there.txt'} or storage.usage().files != 1:
                    broken(f'Expected listings to show only there.txt; saw {sorted(seen)}, {storage.usage()}.')
                for below in ('.', '.fs', '.fs-incoming', '.fs-incoming/', f'{folders[0]}/'):
                    if found := [*backend.list_files(below), *backend.scan(below)]:
                        broken(f'Expected nothing under {below!r}; saw {found}.')
                client = app.test_client()
                for name in (*hidden, *folders, '.fs-incoming'):
                    for verb in (
                        backend.read,
                        backend.exists,
                        backend.stat,
                        backend.remove,
                        backend.delete,
                        functools.partial(backend.write, content=b''),
                        functools.partial(backend.copy, 'there.txt'),
                        functools.partial(backend.move, target='moved.txt'),
                        storage.url,
                    ):
                        with pytest.raises(fs.InvalidFilename):
                            verb(name)
                    with client.get(f'/kit/{name}') as response:
                        if response.status_code != 404:
                            broken(f'Expected 404 for {name!r}, an uploaded piece; saw {response.status_code}.')
                assert [info.size for each in uploads for info in each.pieces()] == [3, 3, 5]
                for each in uploads:
                    each.discard()
                backend.remove('there.txt')
        if left := left_behind(harness, harness.make()):
            broken(f'Expected nothing to be left of uploads that were discarded; saw {left[:5]}.')

    @check(
        '_scan and _put with create',
        cause='A hidden name is not listed although its folder is requested, is listed late, or is replaced despite create. Check _scan and _put.',
    )
    def test_what_has_arrived_is_what_the_store_lists(self, harness: Harness) -> None:
        """Every piece is listed as soon as it is stored, from any process, is never replaced, and is complete or missing; discarding removes only one upload."""
        for prefix in ('', 'tenants/9'):
            backend, elsewhere = harness.make(prefix=prefix), harness.make(prefix=prefix)
            other = arrived(backend, b'other')
            incoming = arrived(backend, b'0123', b'45')
            seen_by = Incoming(elsewhere, incoming._folder.rstrip('/').rpartition('/')[2])
            # Pieces after a gap do not count yet.
            incoming.put(io.BytesIO(b'89'), 8)
            with pytest.raises(SourceFailed):
                incoming.put(Failing(b'67, and what follows', 2), 6)
            with pytest.raises(fs.FileExists):
                seen_by.put(io.BytesIO(b'evil'))
            if (sizes := [info.size for info in seen_by.pieces()]) != [4, 2]:
                broken(f'Expected pieces of [4, 2] bytes without a gap; saw {sizes}.')
            incoming.put(io.BytesIO(b'67'), 6)
            pieces = seen_by.pieces()
            with seen_by.open(pieces) as file:
                content = file.read()
                file.seek(3)
                if (content, file.read(4)) != (b'0123456789', b'3456'):
                    broken(f"Expected b'0123456789' in the pieces, and b'3456' from 3 on; saw {content!r}.")
            if any(seen_by.stat(piece).size != piece.size for piece in pieces):
                broken('Expected each piece to have the size in the listing; saw another size.')
            accept(seen_by, 'd/x')
            assert elsewhere.read('d/x') == b'0123456789'
            if incoming.pieces():
                broken(f'Expected nothing to be left of an upload that was discarded; saw {incoming.pieces()}.')
            if [info.size for info in other.pieces()] != [5]:
                broken('Expected the other upload to stay when one is discarded; saw it gone.')
            other.discard()
            backend.remove('d/x')
        if left := left_behind(harness, backend, sweep=False):
            broken(f'Expected nothing to be left of uploads that were discarded; saw {left[:5]}.')

    @check(
        '_put with create',
        cause='An empty file, or one in a hidden folder, is stored without the condition of `create`. Check _put.',
    )
    def test_one_process_accepts_an_upload_at_a_time(self, harness: Harness) -> None:
        """While one process accepts an upload, another one cannot; afterward it can, however the first one ended."""
        one, two = harness.make(), harness.make()
        incoming = arrived(one, b'content')
        theirs = Incoming(two, incoming._folder.rstrip('/').rpartition('/')[2])
        for error in (None, KeyboardInterrupt):
            with contextlib.suppress(KeyboardInterrupt), incoming.claimed():
                with pytest.raises(fs.Unavailable), theirs.claimed():
                    broken('Expected one at a time to accept an upload; saw two at the same time.')
                assert [info.size for info in theirs.pieces()] == [7]
                if error is not None:
                    raise error
            with theirs.claimed():
                pass
        if declares(one, Capability.ATOMIC_CREATE):
            # Both have found it free: the store decides.
            claim = f'{incoming._folder}claim-1'
            one._put_translated(claim, io.BytesIO(), create=True)
            with pytest.raises(fs.FileExists):
                two._put_translated(claim, io.BytesIO(), create=True)
        incoming.discard()
        if left := left_behind(harness, one, sweep=False):
            broken(f'Expected nothing to be left of uploads that were claimed; saw {left[:5]}.')

    @check(
        'sweep',
        cause='_scan returns a wrong `modified` for hidden names, or hides them, or sweep() is overridden without calling that of BaseBackend. '
        'Check _scan and _sweep.',
    )
    def test_abandoned_uploads_are_swept(self, harness: Harness) -> None:
        """Sweeping removes uploads that have received nothing for long enough, but no other uploads and no files."""
        backend = harness.make(prefix='tenants/9')
        backend.write('x', b'kept')
        incoming = arrived(backend, b'some', b'thing')
        elsewhere = arrived(harness.make(), b'of another storage')
        backend.sweep()
        if [info.size for info in incoming.pieces()] != [4, 5]:
            broken('Expected sweep() to keep what was just uploaded; saw it gone.')
        swept = backend.sweep(older_than_s=-60)
        if incoming.pieces() or not swept:
            broken(f'Expected 1 upload to be swept after its time; saw {swept}, and {incoming.pieces()}.')
        if [info.size for info in elsewhere.pieces()] != [18]:
            broken('Expected sweep() to keep uploads below another key prefix; one was removed.')
        assert backend.read('x') == b'kept'
        elsewhere.discard()
        backend.remove('x')
        if left := left_behind(harness, backend, sweep=False):
            broken(f'Expected nothing to be left of an upload that was swept; saw {left[:5]}.')
