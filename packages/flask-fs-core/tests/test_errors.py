from __future__ import annotations

import pickle

import pytest

import flask_fs as fs
from flask_fs import errors

KINDS = [getattr(errors, name) for name in errors.__all__ if name != 'ConfigurationWarning']


@pytest.mark.parametrize('kind', KINDS)
def test_every_error_can_be_raised_bare_and_pickled(kind: type[fs.FSError]) -> None:
    with pytest.raises(kind) as caught:
        raise kind
    assert str(caught.value) == ''
    full = kind('a.txt', storage='files', backend='local', reason='why')
    copy = pickle.loads(pickle.dumps(full))
    assert type(copy) is kind
    assert (copy.filename, copy.storage, copy.backend, copy.reason) == ('a.txt', 'files', 'local', 'why')
    assert str(full) == str(copy)
    assert repr(full) == repr(copy) == f"{kind.__name__}('a.txt', storage='files', backend='local', reason='why')"
    assert repr(kind(reason='why')) == f"{kind.__name__}(reason='why')"
    assert repr(kind()) == f'{kind.__name__}()'


@pytest.mark.parametrize(
    ('kind', 'builtin'),
    [
        (fs.FileNotFound, FileNotFoundError),
        (fs.FileExists, FileExistsError),
        (fs.InvalidFilename, ValueError),
        (fs.UnknownBackend, ValueError),
        (fs.ConfigurationError, ValueError),
        (fs.UnknownStorage, fs.ConfigurationError),
        (fs.UnknownStorage, KeyError),
        (fs.PermissionDenied, PermissionError),
    ],
)
def test_errors_are_also_those_of_python(kind: type[fs.FSError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise kind('x')


def test_the_message_says_what_where_and_how_to_fix_it() -> None:
    error = fs.FileExists('a/b.png', storage='avatars', backend='s3')
    assert str(error) == "'a/b.png' is already in storage 'avatars' (s3). Pass overwrite=True to replace it."
    assert str(fs.FileNotFound('x', storage='docs')) == "'x' is not in storage 'docs'."
    assert str(fs.FileNotFound('x', backend='local')) == "'x' is not in the local storage."
    assert str(fs.FileNotFound('x')) == "'x' is not in the storage."


def test_an_unknown_storage_reads_like_any_error() -> None:
    """The text of a KeyError would be that of its argument, in quotes."""
    assert str(fs.UnknownStorage(reason='No storage.')) == 'No storage.'
    assert str(fs.UnknownStorage('x', storage='docs', reason='why')) == "'x' failed in storage 'docs': why."


def test_advice_that_would_not_help_is_left_out() -> None:
    assert 'overwrite' not in str(fs.FileExists('a', reason='it is a folder'))


def test_an_error_that_1_0_pickled_can_be_read() -> None:
    """As the result of a task, in a queue that outlives an upgrade."""
    pickled = (
        b'\x80\x02cflask_fs.errors\n_restore\ncflask_fs.errors\nFileNotFound\n}(X\x08\x00\x00\x00filenameX\x05\x00\x00\x00a.txt'
        b'X\x07\x00\x00\x00storageX\x05\x00\x00\x00filesX\x07\x00\x00\x00backendX\x05\x00\x00\x00localX\x06\x00\x00\x00reasonX\x03\x00\x00\x00whyu\x86R.'
    )
    error = pickle.loads(pickled)
    assert type(error) is fs.FileNotFound
    assert (error.filename, error.storage, error.backend, error.reason) == ('a.txt', 'files', 'local', 'why')
