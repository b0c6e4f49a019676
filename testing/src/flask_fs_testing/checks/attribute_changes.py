"""Changing attributes without the content."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, BaseBackend, Capability, changed
from flask_fs.backends.attributes import NAMES

from ..concurrency import in_threads
from ..guarantees import broken, check, declares
from ..harness import Harness
from ..interrupts import INTERRUPTS, interrupting
from ..sources import OnlyRead
from .attributes import GIVEN, OTHER, expect_attributes, expect_listed, gzipped
from .content import content_of
from .copying import after_hook
from .creating import MEETING_S
from .interrupts import spread
from .operations import left_behind, small_sizes
from .ranges import expect_bytes

#: How many times a writer and a change of attributes meet.
ROUNDS = 10
#: At how many of its calls a change is interrupted.
MOMENTS = 12
CHANGES = {'metadata': {'changed': '1'}}
#: How far the clocks of one store can differ, plus the precision of times in headers.
CLOCK = datetime.timedelta(seconds=2)
#: Changes of some attributes, of all, and the removal of all.
_CHANGES: tuple[Mapping[str, Any], ...] = (
    {'metadata': {'owner': 'Zoë 日本', 'new': ''}},
    {'cache_control': 'no-store', 'content_language': 'fr', 'mime': 'text/csv; charset=iso-8859-1'},
    OTHER.given(),
    {'mime': None},
    {'download_name': None, 'metadata': None},
    GIVEN.given(),
    {'metadata': {}},
    dict.fromkeys(NAMES),
)


class AttributeChangeChecks:
    """What set_attributes and if_match change, and what they keep."""

    @check(
        '_swap',
        proves=Capability.ATTRIBUTES,
        cause='_swap stores only the bytes, or updates the existing attributes. It must store attributes as _put does.',
    )
    def test_a_swapped_file_has_its_own_attributes(self, harness: Harness) -> None:
        """A file replaced with if_match has the attributes given with it, and none of the old ones; if Changed is raised, it keeps the old ones."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.ATTRIBUTES | Capability.COMPARE_AND_SWAP):
            return
        sizes = small_sizes(harness)
        backend.write('x.txt', gzipped(10), attributes=GIVEN)
        stale = str(other.stat('x.txt').etag)
        for size, attributes in (
            ('small', Attributes(mime='text/x-other', metadata={'new': '1'})),
            ('parts', GIVEN),
            ('parts', OTHER),
            ('small', GIVEN),
            ('small', NO_ATTRIBUTES),
        ):
            content, etag = content_of(sizes[size]), str(other.stat('x.txt').etag)
            backend.save(OnlyRead(content, 65_537), 'x.txt', attributes=attributes, if_match=etag)
            with pytest.raises(fs.Changed):
                backend.save(OnlyRead(content, 65_537), 'x.txt', attributes=GIVEN, if_match=stale)
            expect_attributes(other, 'x.txt', attributes, f'which replaced a version, of {len(content)} bytes,')
            expect_bytes(other.read('x.txt'), content, 'a file that was replaced with attributes')
        if declares(backend, Capability.MIME):
            backend.write('x.txt', b'', mime='text/x-given', if_match=str(other.stat('x.txt').etag))
            expect_attributes(other, 'x.txt', Attributes(mime='text/x-given'), 'replaced with a type alone,')

    @check(
        '_set_attributes',
        proves=Capability.ATTRIBUTES,
        cause='The store replaces all attributes with those of one request: read the old ones first, as changed() does. Check '
        '_set_attributes.',
    )
    def test_a_change_of_attributes_changes_only_what_it_names(self, harness: Harness) -> None:
        """set_attributes changes only the attributes that it is given, and None removes one; content and checksum stay; every backend sees it."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        sizes = small_sizes(harness)
        for size_class, size in (('small', sizes['small']), ('parts', sizes['parts'])):
            content = gzipped(size)
            backend.write('a/x.bin', content, attributes=GIVEN)
            backend.write('a/x.bin2', b'', attributes=GIVEN)
            before, expected = backend.metadata('a/x.bin')['checksum'], GIVEN
            stored = backend.stat('a/x.bin').checksum
            # A store might list parts of a file too.
            there = len(harness.names_raw())
            # Fewer for large files: a store might copy their bytes each time.
            for changes in _CHANGES if size_class == 'small' else _CHANGES[1::6]:
                backend.set_attributes('a/x.bin', changes)
                expected = changed(expected, changes)
                expect_attributes(other, 'a/x.bin', expected, f'after a change of {", ".join(changes)},')
            info = other.stat('a/x.bin')
            if (seen := (info.size, info.checksum, other.metadata('a/x.bin')['checksum'])) != (
                len(content),
                stored,
                before,
            ):
                broken(f'Expected size and checksum to stay {(len(content), stored, before)}; saw {seen}.')
            expect_bytes(other.read('a/x.bin'), content, 'a file whose attributes were changed')
            expect_attributes(other, 'a/x.bin2', GIVEN, 'next to the one that was changed,')
            assert len(harness.names_raw()) == there
            assert sorted(other.list_files()) == ['a/x.bin', 'a/x.bin2']

    @check(
        '_set_attributes',
        proves=Capability.ATTRIBUTES,
        cause='The store creates a file, or its metadata, where there is none. Check what _set_attributes does when '
        'the store reports that there is no such file.',
    )
    def test_attributes_of_what_is_not_there_cannot_change(self, harness: Harness) -> None:
        """set_attributes raises FileNotFound if there is no file, or only a folder, and creates none."""
        backend = harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        backend.write('folder/x', b'')
        backend.write('removed', b'')
        backend.remove('removed')
        for name in ('missing', 'folder', 'folder/missing', 'missing/x', 'removed', 'folder/x/y'):
            with pytest.raises(fs.FileNotFound) as caught:
                backend.set_attributes(name, {'cache_control': 'no-store', 'metadata': {'a': '1'}})
            assert caught.value.filename == name
            assert not backend.exists(name)
        assert harness.names_raw() == ['folder/x']
        expect_attributes(backend, 'folder/x', NO_ATTRIBUTES, 'in the folder')

    @check(
        '_set_attributes',
        proves=Capability.ATTRIBUTES,
        cause='Metadata of the new version, as the store returned it, is not kept, or a listing or cache has the old metadata. '
        'Check which metadata remains after _set_attributes.',
    )
    def test_a_file_whose_attributes_changed_is_one_version(self, harness: Harness) -> None:
        """After a change of attributes, all verbs report the new ones, the same etag, which if_match accepts, and a time that is not earlier."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        for size in small_sizes(harness).values():
            backend.write('x', gzipped(size), attributes=GIVEN)
            for changes in (OTHER.given(), CHANGES):
                # A cache must not keep what it reads now.
                before = other.stat('x')
                expect_listed(other)
                backend.set_attributes('x', changes)
                info, [listed] = other.stat('x'), other.scan('x')
                opened, stream = other.open_whole('x')
                with stream:
                    etags = {'stat': info.etag, 'open': opened.etag, 'scan': listed.etag or info.etag}
                if len({*etags.values()}) > 1 or (info.etag is None) != (before.etag is None):
                    broken(f'Expected the same etag from all verbs after a change of attributes; saw {etags}.')
                if before.modified and not (info.modified and before.modified - CLOCK < info.modified):
                    broken(f'Expected a modification time not before {before.modified}; saw {info.modified}.')
                expect_listed(other)
            if declares(backend, Capability.COMPARE_AND_SWAP):
                with pytest.raises(fs.Changed):
                    backend.write('x', b'new', if_match=f'{info.etag}-other')
                backend.write('x', b'new', if_match=str(info.etag))
                expect_bytes(other.read('x'), b'new', 'a file that was replaced after its attributes changed')

    @check(
        '_set_attributes',
        proves=Capability.ATTRIBUTES,
        race=True,
        cause='The file is read, and stored again with other attributes: bytes stored meanwhile are lost. Change them in the '
        'store, or on the condition that the file is still that version. Check _set_attributes.',
    )
    def test_a_change_of_attributes_never_brings_replaced_bytes_back(self, harness: Harness) -> None:
        """If another writer replaces or removes a file while its attributes change, the new content stays, and the old content never returns."""
        backend, other = harness.make(), harness.make()
        if not declares(backend, Capability.ATTRIBUTES):
            return
        new = b'new, and longer than before'
        for step in ('_stat', '_open', '_copy'):
            backend.write('x', b'old', attributes=GIVEN)
            if _struck(backend, step, lambda: other.write('x', new)):
                _expect_new(other, new, f'a file that is replaced after {step}')
            if _struck(backend, step, lambda: other.remove('x')) and other.exists('x'):
                broken(f'Expected a file that is removed after {step} to stay removed; saw it again.')
        for turn in range(ROUNDS):
            content = content_of(1000) + str(turn).encode()
            backend.write('x', b'old', attributes=GIVEN)
            _change_while(backend, partial(other.write, 'x', content), at=turn / ROUNDS)
            _expect_new(other, content, f'a file that is replaced meanwhile, in round {turn}')
            _change_while(backend, lambda: other.remove('x'), at=turn / ROUNDS)
            if other.exists('x'):
                broken(f'Expected a file that is removed meanwhile to stay removed, in round {turn}; saw it again.')

    @check(
        '_set_attributes',
        proves=Capability.ATTRIBUTES,
        cause='Old attributes are removed before the new ones are stored, or one by one. Check the order of the steps in '
        '_set_attributes.',
    )
    def test_an_interrupted_change_leaves_old_or_new_attributes(self, harness: Harness) -> None:
        """If set_attributes is interrupted right before any of its calls, the file keeps its content, with all old attributes or all new ones, and nothing else is left."""
        backend, errors = harness.make(), itertools.cycle(INTERRUPTS)
        if not declares(backend, Capability.ATTRIBUTES):
            return
        content = gzipped(10)
        backend.write('x', content, attributes=GIVEN)
        with interrupting(KeyboardInterrupt) as moments:
            backend.set_attributes('x', OTHER.given())
        expect_attributes(backend, 'x', OTHER, 'undisturbed')
        for at in spread(moments.count, MOMENTS):
            backend.set_attributes('x', GIVEN.given())
            with contextlib.suppress(*INTERRUPTS), interrupting(next(errors), at):
                backend.set_attributes('x', OTHER.given())
            if (seen := harness.make().stat('x').attributes) not in (GIVEN, OTHER):
                broken(f'Expected {GIVEN} or {OTHER} when set_attributes is interrupted at call {at}; saw {seen}.')
            expect_bytes(harness.get_raw('x'), content, f'a file when set_attributes is interrupted at call {at}')
            if left := left_behind(harness, backend, 'x', sweep=moments.on_network):
                broken(f'Expected only x when set_attributes is interrupted at call {at}; saw {left[:5]}.')


def _struck(backend: BaseBackend, step: str, strike: Callable[[], object]) -> bool:
    """Whether *strike* was called while attributes of the file ``x`` changed: after the hook *step*."""
    strikes = [strike]
    # Whether the change succeeds, comes too late or fails is up to the backend.
    with (
        contextlib.suppress(fs.Changed, fs.Replaced, fs.FileNotFound),
        after_hook(backend, step, lambda: strikes and strikes.pop()()),
    ):
        backend.set_attributes('x', CHANGES)
    return not strikes


def _change_while(backend: BaseBackend, rival: Callable[[], object], *, at: float) -> None:
    """Change attributes of the file ``x`` repeatedly, until *rival* was called: when the fraction *at* of a change is over."""
    started = time.monotonic()
    backend.set_attributes('x', CHANGES)
    takes = time.monotonic() - started
    begun, done = threading.Event(), threading.Event()

    def act(number: int) -> None:
        if number:
            begun.wait(MEETING_S)
            # Threads would run when the other one yields, which is between two changes.
            time.sleep(at * takes)
            try:
                rival()
            finally:
                done.set()
        while not done.is_set():
            begun.set()
            # Stores report a change that came too late with various errors: what counts is the file.
            with contextlib.suppress(fs.FSError):
                backend.set_attributes('x', CHANGES)
            # Greenlets run only while the others wait.
            time.sleep(0)

    in_threads(2, act)


def _expect_new(backend: BaseBackend, content: bytes, what: str) -> None:
    if (seen := backend.read('x')) != content:
        broken(f'Expected the new bytes of {what}, while its attributes are changed; saw {seen[:20]!r}.')
