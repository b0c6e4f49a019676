"""Restoring deleted files: which ones, and with which metadata."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Capability
from flask_fs.names import MAX_BYTES

from ..guarantees import broken, check, declares
from ..harness import Harness
from .attributes import GIVEN, expect_attributes, gzipped
from .operations import small_sizes
from .ranges import expect_bytes
from .retention import DAYS


class RestoreChecks:
    """Which deleted files are restored, and with which metadata."""

    @check(
        '_retain and _restore',
        cause='Only the bytes are kept, or the type is the one that the name under which a file is kept suggests. Check '
        'which attributes _retain and _restore keep: moving keeps all.',
    )
    def test_a_restored_file_has_its_attributes(self, harness: Harness) -> None:
        """A restored file has exactly the attributes that it had, whatever its size and its name."""
        backend, other = harness.make(retention_days=DAYS), harness.make()
        sizes = small_sizes(harness)
        given = GIVEN if declares(backend, Capability.ATTRIBUTES) else NO_ATTRIBUTES
        for name, attributes in (
            ('d/x.txt', given),
            ('d/y.txt', NO_ATTRIBUTES),
            ('plain', NO_ATTRIBUTES),
            ('d/given', given),
            ('a.b/c', given),
        ):
            for size in sizes.values() if name == 'd/x.txt' else (10,):
                backend.write(name, gzipped(size), attributes=attributes)
                backend.remove(name)
                backend.restore(name)
                expect_attributes(other, name, attributes, f'of {size} bytes, restored,')
                backend.remove(name)
                backend.purge(name)

    @check(
        '_restore',
        cause='Only one file is kept for each name, its time is wrong, or restoring looks only for the name. Check '
        'the id that _deleted returns, and how _restore uses it.',
    )
    def test_each_deletion_is_restored_by_its_time(self, harness: Harness) -> None:
        """A name that was deleted several times is listed as often; restore brings back the last file, or that of a given time, and the others stay."""
        backend = harness.make(retention_days=DAYS)
        contents = (b'', b'1', b'22')
        for content in contents:
            backend.write('d/x.txt', content)
            if not content:
                # Deleted earlier, although written later.
                backend.write('d/y.txt', b'')
                backend.remove('d/y.txt')
            backend.remove('d/x.txt')
        kept = [file for file in backend.deleted('d/x.txt') if file.name == 'd/x.txt']
        if (seen := sorted(file.size for file in kept)) != [0, 1, 2]:
            broken(f'Expected a file that was deleted three times to be listed as often; saw sizes {seen}.')
        first = min(kept, key=lambda file: file.size)
        [other] = backend.deleted('d/y.txt')
        if not other.deleted <= first.deleted:
            broken(
                f'Expected {other.name!r} to be deleted before {first.name!r}; saw {other.deleted}, {first.deleted}.'
            )
        with pytest.raises(fs.FileNotFound):
            backend.restore('d/x.txt', deleted=first.deleted - datetime.timedelta(days=1))
        times = [file.deleted for file in kept]
        backend.restore('d/x.txt')
        expect_bytes(backend.read('d/x.txt'), contents[-1], 'the file that was deleted last')
        backend.remove('d/x.txt')
        for file in kept[:2]:
            # The file that was deleted last now has another time.
            if file.size < 2 and times.count(file.deleted) == 1:
                backend.restore('d/x.txt', deleted=file.deleted)
                expect_bytes(
                    backend.read('d/x.txt'), contents[file.size], f'the file that was deleted at {file.deleted}'
                )
                backend.remove('d/x.txt')
            if (seen := sorted(file.size for file in backend.deleted('d/x.txt'))) != [0, 1, 2]:
                broken(
                    f'Expected the other deleted files with the name to stay when one is restored; saw sizes {seen}.'
                )

    @check(
        '_deleted',
        cause='A prefix is treated as a name or a folder, or the key prefix is cut off any name. Check which names '
        '_deleted returns.',
    )
    def test_deleted_files_are_listed_by_prefix(self, harness: Harness) -> None:
        """deleted(prefix) returns names that begin with exactly this text, as listings do, and none of another storage in the same store."""
        backend = harness.make(retention_days=DAYS, prefix='tenants/1')
        others = [harness.make(retention_days=DAYS, prefix=f'tenants/{number}') for number in (2, 10)]
        names = ('reports/may.txt', 'reports/x/1', 'rep', 'Reports/x', '日本/é', 'a+b %2F/x', 'a_b/x', 'axb/x')
        for each in (backend, *others):
            for name in names if each is backend else ('reports/theirs.txt', 'rep'):
                each.write(name, b'')
                each.remove(name)
        for prefix in (
            '',
            'r',
            're',
            'reports',
            'reports/',
            'reports/may.txt',
            'reports/x',
            'R',
            '日',
            'a+b',
            'a_',
            'x',
            '.',
            'rep/',
        ):
            expected = sorted(name for name in names if name.startswith(prefix))
            if (seen := sorted(file.name for file in backend.deleted(prefix))) != expected:
                broken(f'Expected deleted({prefix!r}) to return {expected}; saw {seen}.')
        for each in (*others, backend):
            each.purge('rep')
            with pytest.raises(fs.FileNotFound):
                each.restore('rep')
            each.restore('reports/may.txt' if each is backend else 'reports/theirs.txt')

    @check(
        '_retain',
        cause='A file that cannot be kept is removed. Check what _retain does if the name is too long, or the store refuses a copy.',
    )
    def test_what_cannot_be_kept_is_not_deleted(self, harness: Harness) -> None:
        """A file with the longest name can be restored, or each verb that deletes raises OperationNotSupported, and the file stays."""
        backend = harness.make(retention_days=DAYS)
        longest = '/'.join(['long', *('x' * 200 for _ in range(5))])[: MAX_BYTES - 24]
        deleting: tuple[Callable[[], dict[str, fs.FSError] | None], ...] = (
            lambda: backend.remove(longest),
            lambda: backend.delete('long'),
            lambda: backend.remove_many(['beside', longest]),
        )
        for delete in deleting:
            backend.write(longest, b'long')
            backend.write('beside', b'')
            try:
                failures = delete()
            except fs.OperationNotSupported:
                failures = None
            else:
                if not failures:
                    backend.restore(longest)
            if failures and not isinstance(failures.get(longest), fs.OperationNotSupported):
                broken(f'Expected OperationNotSupported for a name that is too long to be kept; saw {failures}.')
            expect_bytes(backend.read(longest), b'long', 'a file with a long name, deleted with retention')
