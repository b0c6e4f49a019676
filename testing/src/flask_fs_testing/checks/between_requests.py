"""Files that are replaced between two requests of one verb."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import flask_fs as fs
from flask_fs.backends import BaseBackend

from ..guarantees import broken, check
from ..harness import NetworkHarness
from ..proxy import ProxiedRequest
from .content import content_of
from .fault_matrix import nth
from .ranges import read_range
from .verbs import DOWNLOADS
from .via_proxy import via_proxy

SIZE = 5000
#: More than a verb sends for a small file: it ends if the file is replaced before each of them.
MAX_REQUESTS = 8
#: Ranges, of which those that begin at the end depend on the size of the file.
RANGES = ((0, None), (100, 200), (-100, None), (SIZE - 50, None))


class BetweenRequestsChecks:
    """A verb that sends several requests is about one version of a file."""

    @check(
        '_open and _copy',
        cause='A hook asks for the size or the metadata first, and then for the bytes of whatever version there is. Give the etag '
        'or the ID of the version along (If-Match), or send one request.',
    )
    def test_a_file_replaced_between_requests_is_read_as_one_version(self, harness: NetworkHarness) -> None:
        """If a file is replaced between two requests of a verb, the verb returns or copies one of the versions, or raises an FSError."""
        if not harness.http:
            return
        old = content_of(SIZE)
        versions = old, bytes(255 - byte for byte in old) + b'and more'
        with via_proxy(harness) as (proxy, backend):
            for verb, (act, result_of) in _verbs(harness).items():
                for number in range(1, MAX_REQUESTS):
                    harness.put_raw('x', old)
                    before = len(proxy.requests)
                    proxy.respond(500, when=_replacing(harness, number, versions[1]))
                    with contextlib.suppress(fs.FSError):
                        seen = act(backend)
                        if seen not in [result_of(content) for content in versions]:
                            broken(
                                f'Expected one version from {verb} of a file that is replaced before request {number + 1}, or '
                                'an FSError; saw a mixture.'
                            )
                    proxy.recover()
                    if len(proxy.requests) - before <= number:
                        break


def _replacing(harness: NetworkHarness, number: int, content: bytes) -> Callable[[ProxiedRequest], bool]:
    """A condition that is never true, and replaces ``x`` before the request after *number* others is passed on."""
    is_next = nth(number)

    def replace(request: ProxiedRequest) -> bool:
        if is_next(request):
            harness.put_raw('x', content)
        return False

    return replace


def _verbs(
    harness: NetworkHarness,
) -> Mapping[str, tuple[Callable[[BaseBackend], object], Callable[[bytes], object]]]:
    """Verbs that read or copy ``x``, and what they return for a version of it."""

    def copied(backend: BaseBackend) -> bytes:
        backend.copy('x', 'copied')
        return harness.get_raw('copied')

    def range_of(start: int, stop: int | None) -> tuple[Callable[[BaseBackend], object], Callable[[bytes], object]]:
        def read(backend: BaseBackend) -> tuple[int | None, bytes]:
            info, content = read_range(backend, 'x', start, stop)
            return info.size, content

        return read, lambda content: (len(content), content[start:stop])

    return {
        **{verb: (act, bytes) for verb, act in DOWNLOADS.items()},
        **{f'_open of the range [{start}, {stop})': range_of(start, stop) for start, stop in RANGES},
        'copy': (copied, bytes),
    }
