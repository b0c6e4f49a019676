"""Copying and moving: a second file, and another name."""

from __future__ import annotations

import pytest

import flask_fs as fs

from ..guarantees import check
from ..harness import Harness


class CopyChecks:
    """Copies and moves."""

    @check('copy and move onto themselves')
    def test_copy_and_move_onto_themselves_lose_nothing(self, harness: Harness) -> None:
        """Copying or moving a file to its own name changes nothing."""
        backend = harness.make()
        backend.write('x', b'1')
        backend.copy('x', 'x')
        backend.move('x', 'x')
        with pytest.raises(fs.FileExists):
            backend.move('x', 'x', overwrite=False)
        assert backend.read('x') == b'1'

    @check('_copy and _move')
    def test_copy_and_move_do_what_they_say(self, harness: Harness) -> None:
        """A copy is a second file; a moved file is no longer where it was; both replace unless told to create."""
        backend = harness.make()
        backend.write('x', b'1')
        backend.write('taken', b'2')
        backend.copy('x', 'a/copied')
        backend.copy('x', 'taken')
        backend.move('x', 'a/moved', overwrite=False)
        assert set(backend.list_files()) == {'a/copied', 'a/moved', 'taken'}
        assert {backend.read(name) for name in ('a/copied', 'a/moved', 'taken')} == {b'1'}
        for verb in (backend.copy, backend.move):
            with pytest.raises(fs.FileNotFound):
                verb('missing', 'y')
        assert not backend.exists('y')
