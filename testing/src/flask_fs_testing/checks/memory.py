"""Memory use that does not grow with the file."""

from __future__ import annotations

import hashlib

from flask_fs.backends.incoming import Incoming, new_id

from ..arriving import accept
from ..guarantees import broken, check
from ..harness import Harness
from ..metering import memory_of
from ..sources import Pattern

SIZE = 64 * 1024 * 1024


class MemoryChecks:
    """How much memory a large file takes."""

    @check(
        'bounded memory',
        cause='read() is called without a size, or the client library buffers the entire body. Check _put, the stream of _open, _copy, and _join.',
    )
    def test_a_large_file_goes_in_and_out_in_bounded_memory(self, harness: Harness) -> None:
        """Storing, reading and copying 64 MiB use a fixed amount of memory, as does accepting an upload, and every byte is right."""
        backend = harness.make()
        # What a client library loads at its first use does not grow with the file.
        backend.write('small', b'')
        backend.read('small')
        ceiling = harness.memory_ceiling_bytes
        # A store in memory has to keep the file, and so has no ceiling.
        size = SIZE if ceiling is not None else SIZE // 8
        source = Pattern(size)
        digest = hashlib.sha256()

        def read() -> None:
            for chunk in backend.read_chunks('large', 256 * 1024):
                digest.update(chunk)

        peaks = {
            'storing': memory_of(lambda: backend.save(source, 'large', overwrite=True)),
            'reading': memory_of(read),
            'copying': memory_of(lambda: backend.copy('large', 'copied')),
        }
        # Two pieces, together larger than any ceiling.
        incoming, piece = Incoming(backend, new_id()), size * 3 // 16
        for start in (0, piece):
            incoming.put(Pattern(piece), start)
        peaks['accepting'] = memory_of(lambda: accept(incoming, 'accepted'))
        assert backend.stat('accepted').size == 2 * piece
        assert digest.hexdigest() == source.digest.hexdigest()
        assert backend.stat('copied').size == size
        for what, peak in peaks.items():
            if ceiling is not None and peak > ceiling:
                broken(f'Expected {what} a large file to use at most {ceiling:,} bytes of memory; saw {peak:,}.')
