"""The stored value of a reference: what is read of it, also of hostile values, and what is stored again."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs.stored import MalformedReferenceWarning, StoredFile


@pytest.mark.parametrize('value', [None, '', {}, {'filename': ''}, {'bbox': [1, 2, 3, 4]}])
def test_nothing_reads_as_no_file(value: Any) -> None:
    stored = StoredFile.read(value)
    assert (stored.filename, stored.problem, stored.form(), list(stored.files())) == (None, None, None, [])


@pytest.mark.parametrize('value', ['a.txt', {'filename': 'a.txt'}, {'filename': 'a.txt', 'thumbnails': 5}])
def test_a_name_and_the_stored_form_are_read(value: Any) -> None:
    for stored in (StoredFile.read(value), StoredFile.of(value)):
        assert (stored.filename, stored.problem) == ('a.txt', None)
        assert stored.form() == {'filename': 'a.txt'}
        assert list(stored.files()) == ['a.txt']


@pytest.mark.parametrize('value', ['../a', 'a\0', 5, False, [], ['a'], b'a', {'filename': 5}, {'filename': {'a': 'b'}}])
def test_a_malformed_value_reads_as_no_file_and_is_stored_again_as_it_was(value: Any) -> None:
    stored = StoredFile.read(value)
    assert (stored.filename, stored.form()) == (None, value)
    assert stored.problem
    with pytest.raises(ValueError, match=r'.') as caught:
        StoredFile.of(value)
    assert str(caught.value) == stored.problem
    with pytest.warns(
        MalformedReferenceWarning, match="A value of 'file' in Paper is malformed, so it is treated as no file"
    ):
        stored.warn("'file' in Paper")


def test_keys_of_other_programs_stay_and_do_not_count() -> None:
    stored = StoredFile.read({'alt': 'a lamp', 'filename': 'a.txt'})
    assert stored.form() == {'filename': 'a.txt', 'alt': 'a lamp'}
    assert stored == StoredFile('a.txt')
    assert stored != StoredFile('b.txt')
    assert stored != 'a.txt'
    assert StoredFile.of({'alt': 'a lamp', 'filename': 'a.txt'}).form() == {'filename': 'a.txt'}


@pytest.mark.parametrize('value', [{'x': 1}, {'x': None, 'file': 'a.txt'}, {5: 'a.txt'}])
def test_an_object_that_has_nothing_of_the_stored_form_cannot_be_assigned(value: Any) -> None:
    assert StoredFile.read(value) == StoredFile()
    with pytest.raises(ValueError, match='it has no filename, only'):
        StoredFile.of(value)


@pytest.mark.parametrize('value', [None, '', {}, {'filename': None}, {'filename': '', 'x': 1}, {'bbox': None}])
def test_nothing_can_be_assigned(value: Any) -> None:
    assert StoredFile.of(value) == StoredFile()


SHA256 = f'sha256:{"0f" * 32}'


def test_the_checksum_of_the_main_file_is_read_compared_and_stored_again() -> None:
    form = {'filename': 'a.txt', 'checksum': SHA256}
    for stored in (StoredFile.read(form), StoredFile.of(form)):
        assert stored.checksum == SHA256
        assert (stored.form(), stored.problem, dict(stored.rest)) == (form, None, {})
        assert list(stored.files()) == ['a.txt']
    assert StoredFile.read(form) != StoredFile('a.txt')
    assert StoredFile.read({'checksum': SHA256}) == StoredFile()


@pytest.mark.parametrize(
    'value', [5, '', 'abc', 'sha256:', f'{SHA256}\n', SHA256.upper(), {'$gt': ''}, ['sha256'], 'a' * 5000]
)
def test_a_checksum_of_another_form_belongs_to_another_program(value: Any) -> None:
    form = {'filename': 'a.txt', 'checksum': value}
    stored = StoredFile.read(form)
    assert (stored.filename, stored.checksum, stored.problem) == ('a.txt', None, None)
    assert stored.form() == form
    assert stored == StoredFile('a.txt')
