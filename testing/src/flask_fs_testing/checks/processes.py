"""Other processes, which share only the settings with this one."""

from __future__ import annotations

import importlib.util

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Capability

from ..fresh_gevent import work
from ..fresh_process import PATCHED, in_fresh_process
from ..fresh_python import look_and_change
from ..guarantees import broken, check, declares
from ..harness import Harness
from .attributes import GIVEN

NAMES = ('a/kept', 'a/replaced', 'removed', 'moved', 'ä ö/ü.txt')


class ProcessChecks:
    """Processes that are started separately."""

    @check(
        'construction',
        cause='The location or the list of files depends on this process: an index or a key in memory, hash(), a temporary '
        'folder, or writes that wait for its end.',
    )
    def test_a_fresh_process_sees_and_changes_the_same_files(self, harness: Harness) -> None:
        """A process that shares only the settings with this one sees the same files and attributes, and its changes are visible here."""
        if not harness.shared_between_processes:
            return
        backend = harness.make()
        attributes = GIVEN if declares(backend, Capability.ATTRIBUTES) else NO_ATTRIBUTES
        for name in NAMES:
            backend.write(name, name.encode(), attributes=attributes)
        assert set(backend.list_files()) == set(NAMES)
        seen = in_fresh_process(backend, look_and_change)
        assert seen == {name: (name.encode(), attributes) for name in NAMES}
        expected = {
            'a/kept': b'a/kept',
            'a/replaced': b'replaced there',
            'a/moved': b'moved',
            NAMES[-1]: NAMES[-1].encode(),
        }
        expected['new'] = b'created there'
        assert {name: backend.read(name) for name in backend.list_files()} == expected
        assert not backend.exists('removed')
        assert backend.stat('a/moved').attributes == attributes
        with pytest.raises(fs.FileExists):
            backend.write('new', b'created here', overwrite=False)

    @check(
        'threads',
        cause='The state of an operation is kept on the backend, protected by a thread lock: all greenlets are one thread. Or the '
        'client library was imported, or opens its connections, in a way that gevent cannot patch.',
    )
    def test_greenlets_share_a_backend(self, harness: Harness) -> None:
        """On gevent, greenlets use a backend concurrently without interfering with each other; one that is killed leaves nothing."""
        if not harness.shared_between_processes or importlib.util.find_spec('gevent') is None:
            return
        backend = harness.make()
        backend.write('x', b'made first')
        backend.remove('x')
        if wrong := in_fresh_process(backend, work, first=PATCHED):
            broken(
                f'Expected greenlets not to interfere with each other; saw {len(wrong)} faults: {", ".join(wrong[:5])}.'
            )
        assert harness.names_raw() == []
