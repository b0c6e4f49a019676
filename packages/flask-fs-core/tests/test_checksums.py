"""Checksums of content as it passes, and items by batches."""

from __future__ import annotations

import base64
import hashlib
import itertools

import pytest

from flask_fs.backends import Checksum, batched, checksum_of


@pytest.mark.parametrize('algorithm', ['sha256', 'md5', 'blake2b'])
@pytest.mark.parametrize('chunks', [[], [b''], [b'one'], [b'o', b'', b'ne']])
def test_a_checksum_is_that_of_all_chunks_together(algorithm: str, chunks: list[bytes]) -> None:
    content = b''.join(chunks)
    expected = f'{algorithm}:{hashlib.new(algorithm, content).hexdigest()}'
    checksum = Checksum(algorithm)
    assert list(checksum.through(chunks)) == chunks
    assert str(checksum) == checksum_of(chunks, algorithm) == expected
    assert checksum.hex == expected.partition(':')[2]
    assert base64.b64decode(checksum.base64).hex() == checksum.hex
    assert checksum.size == len(content)


def test_a_checksum_is_that_of_what_passed_so_far() -> None:
    checksum = Checksum('sha256')
    passing = checksum.through([b'one', b'two'])
    assert next(passing) == b'one'
    assert str(checksum) == checksum_of([b'one'], 'sha256')
    checksum.update(b'!')
    assert str(checksum) == checksum_of([b'one!'], 'sha256')
    assert checksum.size == 4


def test_batches_are_full_but_for_the_last() -> None:
    assert list(batched('abcde', 2)) == [['a', 'b'], ['c', 'd'], ['e']]
    assert list(batched('ab', 2)) == [['a', 'b']]
    assert list(batched('', 2)) == []


def test_batches_are_made_one_at_a_time() -> None:
    numbers = itertools.count()
    assert next(batched(numbers, 3)) == [0, 1, 2]
    assert next(numbers) == 3
