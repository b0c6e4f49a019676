"""Errors: of Flask-FS, for the right file and storage, before anything is stored, and without secrets."""

from __future__ import annotations

import contextlib
import io
import itertools
import pickle
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend

from ..concurrency import CAN_FORK, in_processes
from ..doubles import BackendWrapper
from ..guarantees import broken, check
from ..harness import Harness, NetworkHarness

#: Valid names at the limits of stores: a store that cannot keep one rejects it with an error of Flask-FS.
LONG = {
    '1,024 bytes': '/'.join(['a' * 204] * 5),
    '300 folders': 'a/' * 300 + 'x',
    'a part of 255 bytes': 'a' * 255,
    'a part of 255 bytes in 85 characters': '日' * 85,
    'a part of 256 bytes': 'a' * 256,
    'a folder of 300 bytes': 'a' * 300 + '/x',
}
#: A wrong secret, which is tried instead of the right one.
WRONG_SECRET = 'a-wr0ng-s3cret'

_CONTENT = b'old content'
#: Calls that raise an error about the file ``x``, which exists, or ``missing``, which does not.
_FAILURES: Mapping[str, tuple[type[fs.FSError], str, Callable[[BaseBackend], object]]] = {
    'read': (fs.FileNotFound, 'missing', lambda backend: backend.read('missing')),
    'read_chunks': (fs.FileNotFound, 'missing', lambda backend: backend.read_chunks('missing')),
    'read_range': (fs.FileNotFound, 'missing', lambda backend: backend.read_range('missing', 0, 1)),
    'open': (fs.FileNotFound, 'missing', lambda backend: backend.open('missing')),
    'stat': (fs.FileNotFound, 'missing', lambda backend: backend.stat('missing')),
    'metadata': (fs.FileNotFound, 'missing', lambda backend: backend.metadata('missing')),
    'local_file': (fs.FileNotFound, 'missing', lambda backend: backend.local_file('missing').__enter__()),
    'copy': (fs.FileNotFound, 'missing', lambda backend: backend.copy('missing', 'y')),
    'move': (fs.FileNotFound, 'missing', lambda backend: backend.move('missing', 'y')),
    'write': (fs.FileExists, 'x', lambda backend: backend.write('x', b'', overwrite=False)),
    'save': (fs.FileExists, 'x', lambda backend: backend.save(io.BytesIO(b''), 'x', overwrite=False)),
    'copy to it': (fs.FileExists, 'x', lambda backend: backend.copy('y', 'x', overwrite=False)),
    'move to it': (fs.FileExists, 'x', lambda backend: backend.move('y', 'x', overwrite=False)),
    'a range': (fs.RangeNotSatisfiable, 'x', lambda backend: backend.read_range('x', 1000)),
    'another version': (
        fs.Replaced,
        'x',
        lambda backend: BackendWrapper(backend).pass_on('open', backend._key('x'), etag='other'),
    ),
}


class ErrorChecks:
    """Which errors are raised, and what they contain."""

    @check(
        'errors',
        cause='The driver constructs an error itself, instead of self.error(kind, name, reason), or with arguments '
        'that are not its fields.',
    )
    def test_an_error_says_what_and_where(self, harness: Harness) -> None:
        """An error has the file, without a key prefix, the storage and the backend in its fields, file and storage in its text, and can be pickled."""
        plain, prefixed = harness.make(), harness.make(prefix='tenants/1')
        for backend in (plain, prefixed):
            backend.write('x', _CONTENT)
            backend.write('y', _CONTENT)
        for backend, (verb, (kind, filename, act)) in itertools.product((plain, prefixed), _FAILURES.items()):
            with pytest.raises(kind) as caught:
                act(backend)
            error = caught.value
            fields = _fields(error)
            expected = (filename, backend.name, backend.kind or type(backend).__name__)
            if fields[:3] != expected:
                broken(f'Expected the error from {verb} to have the fields {expected}; saw {fields[:3]} in {error!r}.')
            if not (repr(filename) in str(error) and backend.name in str(error)):
                broken(f'Expected {filename!r} and {backend.name!r} in the text of the error from {verb}; saw {error}')
            try:
                again = pickle.loads(pickle.dumps(error))
            except Exception as failure:  # noqa: BLE001  # whatever it is
                broken(f'Expected pickling the error from {verb}, as for other processes, to work; saw {failure!r}.')
            else:
                assert (type(again), str(again), _fields(again)) == (type(error), str(error), fields)

    @check(
        'errors',
        cause='The hook passes on the error of the operating system for a file used as a folder, or the reverse; _translate '
        'has to turn it into FileNotFound or FileExists.',
    )
    def test_a_folder_is_no_file_and_a_file_no_folder(self, harness: Harness) -> None:
        """Reading a folder, or a name below a file, raises FileNotFound; removing either removes nothing else."""
        backend = harness.make()
        backend.write('folder/x', _CONTENT)
        backend.write('file', _CONTENT)
        for name in ('folder', 'file/x', 'file/x/y', 'folder/x/y'):
            assert not backend.exists(name)
            readers: tuple[Callable[[str], object], ...] = (
                backend.read, backend.read_chunks, backend.open, backend.stat, backend.metadata,
                lambda name: backend.read_range(name, 0, 1), lambda name: backend.copy(name, 'y'),
                lambda name: backend.move(name, 'y'), lambda name: backend.local_file(name).__enter__(),
            )  # fmt: skip
            for read in readers:
                with pytest.raises(fs.FileNotFound):
                    read(name)
            backend.remove(name)
        for below in ('file/x', 'folder/x/y'):
            backend.delete(below)
        assert sorted(backend.list_files()) == ['file', 'folder/x']
        for verb in (backend.copy, backend.move):
            for target in ('folder', 'file/x', 'file/x/y'):
                # Where both can be files, this works.
                if (error := error_of(verb, 'folder/x', target)) is not None:
                    assert isinstance(error, fs.FSError)
                    assert backend.read('folder/x') == _CONTENT
                else:
                    assert backend.read(target) == _CONTENT
                    backend.write('folder/x', _CONTENT)
                    backend.remove(target)

    @check(
        'errors',
        cause='Every failure counts as a missing file, or a listing omits what it cannot open, as os.walk() does. Check '
        '_translate, and the except blocks of _stat, _open and _scan.',
    )
    def test_what_cannot_be_opened_is_not_missing(self, harness: Harness) -> None:
        """In a process that cannot open any more files, no verb reports that an existing file is missing."""
        # Network clients would retry for minutes; for them, the checks with error responses cover the same.
        if not CAN_FORK or not harness.shared_between_processes or isinstance(harness, NetworkHarness):
            return
        harness.make().write('a/x', _CONTENT)
        verbs: dict[str, Callable[[BaseBackend], bool]] = {
            'exists': lambda backend: backend.exists('a/x'),
            'read': lambda backend: backend.read('a/x') == _CONTENT,
            'open': lambda backend: not backend.open('a/x', 'rb').close(),
            'stat': lambda backend: backend.stat('a/x').size > 0,
            'list_files': lambda backend: list(backend.list_files()) == ['a/x'],
            'scan': lambda backend: [info.name for info in backend.scan('a/')] == ['a/x'],
            'create': lambda backend: not backend.write('a/x', b'other', overwrite=False),
        }

        def wrong(_: int) -> dict[str, str]:
            # Load everything that is loaded at first use, so that this does not fail.
            backend, seen = harness.make(), {}
            backend.read('a/x')
            for verb, is_right in verbs.items():
                with _no_more_files():
                    try:
                        outcome = None if is_right(backend) else 'nothing'
                    except fs.FileNotFound as error:
                        outcome = repr(error)
                    except Exception:  # noqa: BLE001  # anything else is an honest failure
                        outcome = None
                if outcome is not None:
                    seen[verb] = outcome
            return seen

        [seen] = in_processes(1, wrong)
        if seen:
            broken(f'Expected the file, or an error other than FileNotFound, if no file can be opened; saw {seen}.')
        assert harness.get_raw('a/x') == _CONTENT

    @check(
        'the rules of names',
        cause='The store rejects the name with an error that is not translated, or truncates it.',
    )
    def test_a_name_at_the_limits_works_or_is_refused(self, harness: Harness) -> None:
        """A valid name that is long or deep makes the round trip, or every verb rejects it with an error of Flask-FS."""
        backend = harness.make()
        backend.write('x', _CONTENT)
        before = harness.names_raw()
        verbs: dict[str, Callable[[str], object]] = {
            'exists': backend.exists,
            'read': backend.read,
            'read_range': lambda name: backend.read_range(name, 0, 3),
            'open': lambda name: backend.open(name, 'rb').close(),
            'stat': backend.stat,
            'metadata': backend.metadata,
            'list_files': lambda name: list(backend.list_files(name)),
            'scan': lambda name: list(backend.scan(name)),
            'folder': backend.folder,
            'create': lambda name: backend.save(io.BytesIO(b''), name, overwrite=False),
            'copy to it': lambda name: backend.copy('x', name),
            'copy': lambda name: backend.copy(name, 'copied'),
            'move': lambda name: backend.move(name, 'copied'),
            'move to it': lambda name: backend.move('copied', name),
            'remove': backend.remove,
            'remove_many': lambda name: _raise_first(backend.remove_many([name])),
            'delete': backend.delete,
        }
        for what, name in LONG.items():
            error = error_of(backend.write, name, _CONTENT)
            if error is None:
                assert backend.read(name) == harness.get_raw(name) == _CONTENT
                assert [info.name for info in backend.scan(name)] == [name]
            outcomes = {'write': error, **{verb: error_of(act, name) for verb, act in verbs.items()}}
            for verb, outcome in outcomes.items():
                if outcome is not None and not isinstance(outcome, fs.FSError):
                    broken(
                        f'Expected {verb} to work with a name with {what}, or an error of Flask-FS; saw {outcome!r}.'
                    )
                if error is None and outcome is not None and verb != 'create':
                    broken(f'Expected {verb} to work with a name with {what}, as write does; saw {outcome!r}.')
            backend.delete('copied')
            assert harness.names_raw() == before

    @check(
        'errors',
        cause='_translate passes on a message of the library that quotes the URL, the headers or the command with the '
        'secret; or __repr__ shows the settings.',
    )
    def test_no_secret_is_shown(self, harness: Harness) -> None:
        """No secret setting, right or wrong, appears in the text of an error, the backend, or its configuration."""
        backend = harness.make()
        backend.write('x', _CONTENT)
        keys = [setting.key for setting in backend.settings if setting.secret]
        right = [str(value) for key in keys if (value := backend.config.get(key))]
        right += harness.secrets if isinstance(harness, NetworkHarness) else ()
        backends: dict[str, Callable[[], BaseBackend]] = {'as configured': lambda: backend}
        for key in keys:
            backends[f'with another {key}'] = partial(harness.make, **{key: WRONG_SECRET})
        for what, make in backends.items():
            for said in _all_said(make):
                shown = [
                    secret for secret in (*right, WRONG_SECRET) if secret in said or quote(secret, safe='') in said
                ]
                if shown:
                    broken(f'Expected no secret in the texts of a backend {what}; saw {len(shown)}.')


@contextlib.contextmanager
def _no_more_files() -> Generator[None]:
    """Prevent this process from opening files."""
    # Every system that can fork has this module.
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _raise_first(failures: Mapping[str, Exception]) -> None:
    for failure in failures.values():
        raise failure


def _fields(error: fs.FSError) -> tuple[str | None, ...]:
    return error.filename, error.storage, error.backend, error.reason


def error_of(act: Callable[..., object], *args: Any, **options: Any) -> Exception | None:
    """What *act* raises, or None."""
    try:
        act(*args, **options)
    except Exception as error:  # noqa: BLE001  # judged by the caller
        return error
    return None


def _all_said(make: Callable[[], BaseBackend]) -> list[str]:
    """All texts of a backend and its errors. A wrong setting can be rejected immediately, or at first use."""
    try:
        backend = make()
    except fs.FSError as error:
        return [repr(error), str(error)]
    said = [repr(backend), str(backend), repr(backend.config), str(backend.config), backend.describe_location()]
    failures = [error_of(act, backend) for _, _, act in _FAILURES.values()]
    failures += [
        error_of(backend.exists, 'x'),
        error_of(backend.write, 'y', b'1'),
        error_of(lambda: list(backend.scan())),
    ]
    for failure in failures:
        if failure is not None:
            said += [repr(failure), str(failure), str(vars(failure))]
    return said
