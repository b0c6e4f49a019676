"""Removing many files with one call: exactly these, and a report of those that still exist."""

from __future__ import annotations

from unittest import mock

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability

from ..guarantees import broken, check, declares
from ..harness import Harness, NetworkHarness
from ..metering import through_proxy
from .fault_matrix import refuse_request


class ManyChecks:
    """remove_many."""

    @check(
        '_remove_many',
        cause='Files whose name begins with a name, or that are under it, are removed too, or a name is not quoted. Check '
        '_remove_many.',
    )
    def test_many_are_removed_and_nothing_else(self, harness: Harness) -> None:
        """remove_many removes exactly the given files, even if repeated, and reports no error for those that do not exist."""
        backend, other = harness.make(), harness.make()
        doomed = ['a', 'b/c', 'é f/ü+%2F&.txt', 'it\'s <1> & "2"', 'x#y?z', '日本/\U0001f389', ' ', 'a*', 'd/e/f']
        spared = {'a-', 'a0', 'ab', 'A', 'b/cd', 'b/c-', 'b', 'B/c', 'é f/ü', 'd/e/g', 'x', 'aa/x', 'a b'}
        if declares(backend, Capability.NESTED_NAMES):
            spared |= {'a/b', 'a/b/c', 'b/c/d'}
        else:
            spared -= {'b'}
        for name in (*doomed, *spared):
            backend.write(name, name.encode())
        assert backend.remove_many(iter(())) == {}
        missing = ['missing', 'missing/x', 'b/missing', 'd/e', 'd', 'a/missing/x']
        failures = backend.remove_many(iter([*doomed[:4], *missing, *doomed, *doomed[:2]]))
        if failures:
            broken(f'Expected no failure, also for missing files; saw {failures}.')
        assert set(harness.names_raw()) == spared
        assert {name: other.read(name) for name in spared} == {name: name.encode() for name in spared}
        assert backend.remove_many(doomed) == {}

    @check(
        '_remove_many',
        cause='Only the first batch is removed, or names between two batches are lost. Check how _remove_many divides '
        'its names.',
    )
    def test_more_are_removed_than_one_request_takes(self, harness: Harness) -> None:
        """All files are removed, however many names are given, and wherever the existing files are among them."""
        backend = harness.make()
        names = _many_names(harness)
        # Only some of them, because storing each takes time.
        there = {*names[:: len(names) // 10], *names[-2:]}
        for name in (*there, 'many/other'):
            backend.write(name, b'')
        assert backend.remove_many(name for name in names) == {}
        assert harness.names_raw() == ['many/other']

    @check(
        'remove_many',
        cause='remove_many is overridden, or names are validated one by one while files are removed. Override _remove_many, '
        'which gets validated names.',
    )
    def test_an_invalid_name_among_many_removes_none(self, harness: Harness) -> None:
        """If one of the names is not valid, InvalidFilename is raised, and all files still exist."""
        backend = harness.make()
        names = ['a', 'b/c', 'd']
        for name in names:
            backend.write(name, b'')
        for invalid in ('../x', '', 'a//b', '/a', 'a/../b', '.fs-tmp-1', 'a\x00'):
            with pytest.raises(fs.InvalidFilename):
                backend.remove_many([*names, invalid])
            assert sorted(harness.names_raw()) == names

    @check(
        '_remove_many',
        cause='It stops at the first file that cannot be removed, or its error is lost. Check what _remove_many does with '
        'errors of single files.',
    )
    def test_a_file_that_cannot_be_removed_is_reported(self, harness: Harness) -> None:
        """The error of each file that still exists is returned by its name, and the others are gone."""
        backend = harness.make(prefix='tenants/1')
        names = [f'd/{number}' for number in range(5)]
        for name in names:
            backend.write(name, b'')
        real, refused = backend._remove, ('d/0', 'd/3')

        def remove(name: str) -> None:
            if name.endswith(refused):
                raise backend.error(fs.PermissionDenied, name, 'as planned')
            real(name)

        with mock.patch.object(backend, '_remove', side_effect=remove) as replaced:
            failures = backend.remove_many(names)
        if not replaced.called:
            return  # It does not use this hook.
        _judge(backend, failures, set(refused), set(names))
        if not all(
            isinstance(error, fs.PermissionDenied) and error.filename == name for name, error in failures.items()
        ):
            broken(f'Expected the error of each file by its name; saw {failures!r}.')


class NetworkManyChecks:
    """remove_many with a request that fails."""

    @check(
        '_remove_many',
        cause='The files of a failed request count as removed, or all given files count as failed. Check which names '
        '_remove_many reports when one of its requests is refused.',
    )
    def test_what_a_refused_request_leaves_is_reported(self, harness: NetworkHarness) -> None:
        """If the store refuses one of the requests, exactly the files that still exist are reported."""
        if not harness.http:
            return
        names = _many_names(harness)
        there = {*names[:3], *names[-2:]}
        with through_proxy(harness) as (proxy, backend):
            for name in there:
                backend.write(name, b'')
            before = len(proxy.requests)
            assert backend.remove_many(names) == {}
            count = len(proxy.requests) - before
            for number in sorted({0, count - 1}):
                for name in there:
                    backend.write(name, b'')
                refusal = refuse_request(proxy, number)
                failures = backend.remove_many(names)
                proxy.recover()
                if wrong := [name for name, error in failures.items() if name not in names or error.filename != name]:
                    broken(f'Expected each failure by a given name, with an error for that name; also saw {wrong[:3]}.')
                # For missing files in a refused request, it is unknown that they are missing.
                failures = {name: error for name, error in failures.items() if name in there}
                _judge(backend, failures, {name for name in there if backend.exists(name)}, there)
                # All can be gone: after another request, such as one for each file.
                assert refusal.struck == 1


def _many_names(harness: Harness) -> list[str]:
    """One name more than fits in a request."""
    return [f'many/{number:04} +%é' for number in range(harness.batch_size + 1)]


def _judge(backend: BaseBackend, failures: dict[str, fs.FSError], expected: set[str], names: set[str]) -> None:
    """Fail unless exactly the files *expected* were reported, and they are the ones of *names* that still exist."""
    there = {name for name in names if backend.exists(name)}
    if not set(failures) == expected == there:
        broken(
            f'Expected {sorted(expected)} to be reported and to exist; saw {sorted(failures)} reported, and {sorted(there)} existing.'
        )
