"""Uploads, listings, and downloads of which the connection or the store fails midway."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Mapping

import flask_fs as fs
from flask_fs.backends import CHUNK_BYTES, BaseBackend

from ..guarantees import broken, check
from ..harness import NetworkHarness
from ..proxy import ProxiedRequest
from .content import content_of
from .operations import OLD, left_behind
from .verbs import DOWNLOADS, LARGE, Verb, all_raise, outcome
from .via_proxy import ALWAYS, has_body, is_get, quick_to_fail, reach, via_proxy


def _first_page(folder: fs.Folder) -> tuple[Iterator[str], bool]:
    return (info.name for info in folder.files), folder.next is None


#: The names that each verb lists, and whether they are said to be all.
LISTINGS: Mapping[str, Callable[[BaseBackend], tuple[Iterator[str], bool]]] = {
    'list_files': lambda backend: (backend.list_files(), True),
    'scan': lambda backend: ((info.name for info in backend.scan()), True),
    'folder': lambda backend: _first_page(backend.folder('')),
}


class CutTransferChecks:
    """A transfer that ends midway is neither stored nor taken for whole."""

    @check(
        '_put',
        cause='An upload is visible before it is complete, or its temporary file is hidden, but sweep() does not remove it. '
        'Check _put and _sweep.',
    )
    def test_an_upload_that_is_cut_leaves_what_was_there(self, harness: NetworkHarness) -> None:
        """If all connections are cut midway, the caller gets an FSError, the old file is intact, and nothing new is visible.

        A temporary file that the client could not remove is hidden, and sweeping removes it.
        """
        content = content_of(max(harness.part_sizes, default=0) + LARGE)
        uploads: dict[str, Verb] = {
            'a replacement': lambda backend: backend.save(io.BytesIO(content), 'x', overwrite=True),
            'a new file': lambda backend: backend.save(io.BytesIO(content), 'new', overwrite=True),
            'a created file': lambda backend: backend.save(io.BytesIO(content), 'new', overwrite=False),
        }
        with via_proxy(harness) as (proxy, backend):
            struck = quick_to_fail(harness, proxy, backend)
            for name, upload in uploads.items():
                for after_bytes in (1, CHUNK_BYTES // 2):
                    reach(struck, harness)
                    proxy.cut_upload(after_bytes=after_bytes, times=ALWAYS, when=has_body if harness.http else None)
                    all_raise(fs.FSError, struck, {name: upload}, 'uploads are cut')
                    proxy.recover()
                    assert list(backend.list_files()) == ['x']
                    assert backend.read('x') == harness.get_raw('x') == OLD
                    assert not backend.exists('new')
                    if left := left_behind(harness, harness.make(), 'x'):
                        broken(f'Expected only x in the store after {name} was cut and sweep() called; saw {left[:5]}.')

    @check(
        '_scan',
        cause='An error of a later page ends the listing as if there were no more. Check the loop over pages of _scan, _names and '
        '_folder, and what it suppresses.',
    )
    def test_a_listing_that_fails_midway_is_never_taken_for_whole(self, harness: NetworkHarness) -> None:
        """If the store disappears, or responds with an error, while files are listed, the listing raises an FSError, and does not end."""
        names = {'x', *(f'{number}.txt' for number in range(harness.page_size + 5))}
        with via_proxy(harness) as (proxy, backend):
            struck = quick_to_fail(harness, proxy, backend)
            for name in names:
                harness.put_raw(name, OLD)
            for verb, listed in LISTINGS.items():
                reach(struck, harness)
                if harness.http:
                    proxy.slow_down(times=ALWAYS, when=_after_the_first())
                with contextlib.suppress(fs.FSError):
                    found, whole = listed(struck)
                    seen = set(itertools.islice(found, 1))
                    if not harness.http:
                        proxy.down()
                    seen.update(found)
                    if whole and seen != names:
                        broken(
                            f'Expected {verb} to return {len(names)} names, or to raise an FSError, when the store fails midway; '
                            f'saw {len(seen)} names.'
                        )
                proxy.recover()

    @check(
        '_open',
        cause='The end of the connection is treated as the end of the file: compare with its size. Or the rest is requested without '
        'the etag of the version that was opened. Check the stream of _open.',
    )
    def test_a_download_that_is_cut_is_never_taken_for_whole(self, harness: NetworkHarness) -> None:
        """If the connection is cut midway, reading raises an FSError, or continues at the same position of the same version: nothing is missing."""
        content = content_of(LARGE)

        def copied(backend: BaseBackend) -> bytes:
            backend.copy('x', 'copied')
            return harness.get_raw('copied')

        with via_proxy(harness) as (proxy, backend):
            harness.put_raw('x', content)
            struck = quick_to_fail(harness, proxy, backend)
            for after_bytes in (0, 100_000, LARGE - 1):
                for name, verb in {**DOWNLOADS, 'copy': copied}.items():
                    reach(struck, harness)
                    proxy.cut_download(after_bytes=after_bytes, times=ALWAYS, when=is_get if harness.http else None)
                    error, result = outcome(struck, verb)
                    proxy.recover()
                    if error is None and content != result:
                        size = len(result) if isinstance(result, bytes) else 0
                        broken(
                            f'Expected an FSError from {name} when the connection is cut after {after_bytes} bytes; '
                            f'saw {size} of {LARGE} bytes, and no error.'
                        )
                    if error is not None:
                        if not isinstance(error, fs.FSError):
                            broken(f'Expected an FSError from {name} when the connection is cut; saw {error!r}.')
                        if left := left_behind(harness, harness.make(), 'x'):
                            broken(
                                f'Expected only x in the store after {name} was cut and sweep() called; saw {left[:5]}.'
                            )
                    # Not through the proxy: the backend might not have reconnected yet.
                    harness.make().delete('copied')
            reach(struck, harness)
            # Once, so that the rest could be read.
            proxy.cut_download(after_bytes=100_000, when=is_get if harness.http else None)
            with contextlib.suppress(fs.FSError):
                chunks = struck.read_chunks('x', 10_000)
                seen = next(chunks)
                harness.put_raw('x', content[::-1])
                seen += b''.join(chunks)
                if seen != content:
                    broken(
                        'Expected an FSError or the opened version if it is replaced and the connection cut; saw a mixture.'
                    )


def _after_the_first() -> Callable[[ProxiedRequest], bool]:
    requests = itertools.count()
    return lambda _: next(requests) > 0
