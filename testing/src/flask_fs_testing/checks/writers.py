"""Files open for writing: stored completely, once, and only if they are closed."""

from __future__ import annotations

import gc
import warnings

from ..guarantees import broken, check
from ..harness import Harness

OLD = b'old content'


class WriterChecks:
    """Files open for writing."""

    @check(
        'open',
        cause='Buffers of the caller are kept without a copy, flush() publishes, or each close() stores again. Check open(), which '
        'needs no override.',
    )
    def test_a_writer_stores_once_what_was_written(self, harness: Harness) -> None:
        """The first close(), and no other, stores exactly what was written, even if the buffers have changed since."""
        backend = harness.make()
        buffer = bytearray(b'buffer')
        for mode in ('wb', 'xb'):
            backend.remove('x')
            file = backend.open('x', mode)
            counts = [file.write(piece) for piece in (b'bytes', buffer, memoryview(buffer)[1:3], b'')]
            buffer[:] = b'------'
            file.flush()
            if counts != [5, 6, 2, 0]:
                broken(f'Expected write() to return how many bytes it wrote, [5, 6, 2, 0]; saw {counts}.')
            if harness.names_raw():
                broken(f'Expected nothing in the store before close(), also after flush(); saw {harness.names_raw()}.')
            file.close()
            buffer[:] = b'buffer'
            _judge(harness, 'x', b'bytesbufferuf', f'closing a file opened in mode {mode!r}')
            backend.write('x', OLD)
            file.close()
            _judge(harness, 'x', OLD, 'closing it again after another writer')

    @check(
        'open',
        cause='A finalizer closes the file, and so stores it, as those of io do. Check open(), which needs no override.',
    )
    def test_a_writer_that_is_dropped_stores_nothing(self, harness: Harness) -> None:
        """A file open for writing that is dropped without close() stores nothing, because it is incomplete."""
        backend = harness.make()
        backend.write('x', OLD)
        with warnings.catch_warnings():
            # It warns about it.
            warnings.simplefilter('ignore', ResourceWarning)
            for mode in ('w', 'wb', 'x', 'xb'):
                file = backend.open('new' if 'x' in mode else 'x', mode)
                file.write(b'other' if 'b' in mode else 'other')
                del file
                gc.collect()
                _judge(harness, 'x', OLD, f'dropping a file opened in mode {mode!r}')
        if (names := harness.names_raw()) != ['x']:
            broken(f'Expected only x in the store after new files were dropped; saw {names}.')


def _judge(harness: Harness, name: str, expected: bytes, what: str) -> None:
    if (seen := harness.get_raw(name)) != expected:
        broken(f'Expected {expected!r} in {name!r} after {what}; saw {seen[:40]!r}.')
