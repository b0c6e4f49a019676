"""Memory use that does not grow with the file, for each way to read one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import flask_fs as fs

from ..guarantees import broken, check
from ..harness import Harness
from ..metering import memory_of
from ..sources import Pattern
from .memory import SIZE

PIECE_BYTES = 100_000


class ReadingMemoryChecks:
    """How much memory reading a large file takes."""

    @check(
        'open and serve and local_file',
        cause='An overridden verb reads the complete file, or _open returns all of it: read in pieces of a fixed size.',
    )
    def test_a_large_file_is_opened_served_and_lent_in_bounded_memory(self, harness: Harness) -> None:
        """Creating a large file, and reading it with open(), over HTTP and with local_file(), use a fixed amount of memory, and every byte is right."""
        storage = fs.Storage('kit', fs.ALL)
        app = harness.make_app(storage)
        client = app.test_client()
        ceiling = harness.memory_ceiling_bytes
        # Twice the ceiling. A store in memory has to keep the file, and so has none.
        source = Pattern(size := 2 * (ceiling or SIZE // 16))
        with app.app_context():
            storage.write('small', b'small')
            created = memory_of(lambda: storage.save(source, 'large', overwrite=False))

        def read(name: str, digest: hashlib._Hash) -> None:
            with app.app_context(), storage.open(name, 'rb') as file:
                # Back and forth, skipping what is in between.
                file.seek(-1, 2)
                file.read(1)
                file.seek(0)
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)

        def read_text(name: str, digest: hashlib._Hash) -> None:
            with app.app_context(), storage.open(name, encoding='latin-1', newline='') as file:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece.encode('latin-1'))

        def get(name: str, digest: hashlib._Hash) -> None:
            with client.get(f'/kit/{name}') as response:
                for piece in response.iter_encoded():
                    digest.update(piece)

        def get_end(name: str, digest: hashlib._Hash) -> None:
            with app.app_context():
                digest.update(storage.read_range(name, 0, 1))
            with client.get(f'/kit/{name}', headers={'Range': 'bytes=1-'}) as response:
                for piece in response.iter_encoded():
                    digest.update(piece)

        def lend(name: str, digest: hashlib._Hash) -> None:
            with app.app_context(), storage.local_file(name) as path, open(path, 'rb') as file:
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)

        ways: dict[str, Callable[[str, hashlib._Hash], None]] = {
            'opening': read,
            'reading as text': read_text,
            'serving': get,
            'serving all but the beginning of': get_end,
            'getting a local file of': lend,
        }
        peaks = {'creating': created}
        for what, act in ways.items():
            # What a client library loads at its first use does not grow with the file.
            act('small', hashlib.sha256())
            digest = hashlib.sha256()
            peaks[what] = memory_of(partial(act, 'large', digest))
            assert digest.hexdigest() == source.digest.hexdigest(), what
        for what, peak in peaks.items():
            if ceiling is not None and peak > ceiling:
                broken(f'Expected {what} {size:,} bytes to use at most {ceiling:,} bytes of memory; saw {peak:,}.')
