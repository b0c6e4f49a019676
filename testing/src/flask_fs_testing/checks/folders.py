"""One folder at a time: its direct entries, in pages."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterable
from typing import Any

import pytest

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability, FileInfo, Folder
from flask_fs.backends.attributes import NAMES
from flask_fs.names import TEMPORARY_PREFIX

from ..guarantees import broken, check, declares
from ..harness import Harness

#: Names around the slash in sort order, and with characters that URLs quote. Some are also the name of a folder, if allowed.
FILES = (
    'a', 'a/1', 'a/1/2/3/4/5', 'a/b', 'a/b/c', 'a/b c/d', 'a/b-', 'a/b0', 'a/b!', 'a/B', 'a-b', 'a-b/x', 'a0', 'a!', 'a b', 'a b/x', 'aa/x',
    'b/c/d/e/f', 'b/c/d/e/g', 'b/c/h', 'c', 'b/c/page.html', 'photo.png', '.hidden', '.h/x', 'é/ü', 'e\u0301', 'é\U0001f389/日', '%2F/x', 'a%2Fb', 'a+b&c=d/x', "it's #1?/x",
    '*/x', '_/x', 'A/1', '~', '\U0001f389', '\uffee',
)  # fmt: skip
#: Folders with and without a slash, files, missing names, and beginnings of names.
FOLDERS = (
    '', 'a', 'a/', 'a/b', 'a/b/', 'a/b c', 'a/1', 'b', 'b/c/d/', 'é', 'é\U0001f389', "it's #1?", 'a+b&c=d/', '*', '_', '%2F', 'A',
    'c', 'missing', 'missing/x/', 'aa/x', 'a/', 'b/c/d/e/f', 'h', 'a/1/2',
)  # fmt: skip

#: What a visitor can send instead of the `next` of a page of the folder `b`.
MADE_UP = ('', 'a', 'b/c', '../a', 'tenants/1/a', 'tenants/2/', 'YQ==')


class FolderChecks:
    """The direct entries of a folder."""

    @check(
        '_folder',
        cause='A page continues after a folder name without its slash, or names are compared in another order '
        'than the store lists them. Check how _folder goes from page to page.',
    )
    def test_a_folder_has_what_is_directly_in_it_once(self, harness: Harness) -> None:
        """Over all its pages, with any limit, folder() returns each direct file and subfolder once, whatever its name."""
        backend = harness.make()
        names = _fill(backend, FILES)
        scanned = {info.name: info for info in backend.scan()}
        for prefix in FOLDERS:
            files, folders = _inside(names, prefix)
            count = len(files) + len(folders)
            limits = {1, 2, 3, count, count + 1} if count > 3 else {1, 1000}
            for limit in sorted(limits):
                seen = _pages(backend, prefix, limit, 2 * count + 2)
                _judge(seen, files, folders, f'the folder {prefix!r} in pages of {limit}')
                for info in seen.files:
                    _judge_info(info, scanned[info.name])

    @check(
        '_folder',
        cause='Names are returned without their parent folder, or without the key prefix: BaseBackend strips the '
        'prefix; _folder returns full names. Or `after` contains a folder or a key that _folder trusts: use it only to continue '
        'in the given folder.',
    )
    def test_folders_stay_inside_the_key_prefix(self, harness: Harness) -> None:
        """With a key prefix, folder() returns names without the prefix, and nothing outside it or outside the folder, whatever `after` a visitor sends."""
        backend = harness.make(prefix='tenants/1')
        names = _fill(backend, ('a', 'a-b/x', 'b/c/d', 'tenants/1/x', 'é f'))
        for other in ('tenants/10', 'tenants/2', 'tenants/1/deeper'):
            _fill(harness.make(prefix=other), ('a', 'z/x'))
        names |= {'deeper/a', 'deeper/z/x'}
        for prefix in ('', 'b', 'b/c', 'tenants', 'deeper/z', 'missing'):
            files, folders = _inside(names, prefix)
            for limit in (1, 2, 1000):
                seen = _pages(backend, prefix, limit, 20)
                _judge(seen, files, folders, f'the folder {prefix!r} in pages of {limit}, with a key prefix')
        neighbor, inside = harness.make(prefix='tenants/10'), set[str]().union(*_inside(names, 'b'))
        others = (
            source.folder(prefix, limit=1).next
            for source, prefix in ((backend, ''), (backend, 'deeper'), (neighbor, ''))
        )
        for after in (*MADE_UP, *filter(None, others)):
            page = Folder([], [])
            # Some stores reject what they have not returned.
            with contextlib.suppress(fs.FSError, ValueError):
                page = backend.folder('b', after=after)
            if strange := {*(info.name for info in page.files), *page.folders} - inside:
                broken(f'Expected only entries of the folder after {after!r}; saw {sorted(strange)}.')

    @check(
        '_folder',
        cause='Files that are incomplete, or have a name that no verb accepts, are listed, count as entries, or create a folder. '
        'Check what _folder omits; it must be the same as in _scan.',
    )
    def test_folders_do_not_show_what_is_hidden(self, harness: Harness) -> None:
        """Temporary names are never returned, and neither is a file that is being stored."""
        backend, other = harness.make(), harness.make()
        other.write('d/z', b'')
        for name in (f'd/{TEMPORARY_PREFIX}1', f'{TEMPORARY_PREFIX}2', f'{TEMPORARY_PREFIX}3/x', 'd/x', 'y'):
            harness.put_raw(name, b'theirs')
        with other.open('d/open', 'wb') as file:
            file.write(b'not complete')
            for limit in (1, 2, 1000):
                _judge(_pages(backend, '', limit, 20), {'y'}, {'d'}, f'a folder with hidden names in pages of {limit}')
                _judge(_pages(backend, 'd', limit, 20), {'d/x', 'd/z'}, set(), f'its subfolder in pages of {limit}')

    @check(
        '_folder',
        cause='A marker of the folder, or the folder itself, stays when its last file is removed, and is returned. Check what '
        '_folder treats as a folder.',
    )
    def test_a_folder_without_files_is_not_given(self, harness: Harness) -> None:
        """A folder exists while there are files in it: when they are gone, it is not listed, and is empty."""
        backend, other = harness.make(), harness.make()
        backend.write('a/b/c/1', b'')
        backend.write('a/d', b'')
        _judge(_pages(backend, 'a', 1000, 2), {'a/d'}, {'a/b'}, 'a folder')
        other.remove('a/b/c/1')
        _judge(_pages(backend, 'a', 1000, 2), {'a/d'}, set(), 'a folder whose subfolder is gone')
        other.delete('a')
        for prefix in ('', 'a', 'a/b', 'a/b/c'):
            _judge(_pages(backend, prefix, 1000, 2), set(), set(), 'a folder whose files are gone')

    @check(
        '_folder',
        cause='Pages use offsets instead of continuing after the last entry, or `after` has to exist. Check how _folder '
        'continues.',
    )
    def test_files_may_come_and_go_between_pages(self, harness: Harness) -> None:
        """Entries that are in a folder all the time are returned once, whatever is written and removed between its pages, by any backend."""
        backend, other = harness.make(), harness.make()
        entries = [f'd/{number:02}{end}' for number in range(6) for end in ('', '-/x')]
        for limit in (1, 3):
            _fill(backend, entries)
            going, seen, after, turn = set(entries[::3]), _Seen(), None, 0
            while turn == 0 or after is not None:
                # With a backend that did not read the previous page.
                page = (backend, other)[turn % 2].folder('d', after=after, limit=limit)
                seen.add(page, limit)
                after, turn = page.next, turn + 1
                if turn < 4:
                    other.write(f'd/{turn:02}!new', b'')
                # Entries of this page, the one after which the next page begins, and later ones.
                given = {*(info.name for info in page.files), *(f'{name}/x' for name in page.folders)}
                for name in {*given & going, *sorted(going)[-1:]}:
                    other.remove(name)
                if turn > 2 * len(entries):
                    broken(f'Expected the pages of a folder to end; saw {turn} of them.')
            stays = set(entries) - going
            files, folders = _inside(stays, 'd')
            counts = collections.Counter([*(info.name for info in seen.files), *seen.folders])
            if wrong := sorted(name for name in files | folders if counts[name] != 1):
                broken(
                    f'Expected each entry that always exists once, in pages of {limit}; saw {[(name, counts[name]) for name in wrong[:5]]}.'
                )
            twice = [name for name, times in counts.items() if times > 1]
            assert twice == []
            backend.delete('d')
        assert harness.names_raw() == []

    @check(
        'folder',
        cause='folder is overridden. Override _folder, which gets validated arguments.',
    )
    def test_a_limit_is_a_number_of_entries(self, harness: Harness) -> None:
        """A limit below 1 or above 1000, or one that is not an integer, raises ValueError."""
        backend = harness.make()
        backend.write('x', b'')
        limits: tuple[Any, ...] = (0, -1, 1001, 1.5, True, None, '10')
        for limit in limits:
            with pytest.raises(ValueError, match='limit'):
                backend.folder('', limit=limit)

    @check(
        '_folder',
        cause='All pages of the store are requested for the first page of a folder, or everything in a subfolder. Check '
        'how many entries _folder requests, and its delimiter.',
    )
    def test_a_folder_of_several_pages_is_whole(self, harness: Harness) -> None:
        """Folders with more entries, and subfolders with more files, than the store lists in one response are returned completely."""
        backend = harness.make()
        page = min(harness.page_size, 110)
        names = _fill(
            backend,
            [
                *(f'd/{number:04}' for number in range(page)),
                *(f'd/sub/{number}' for number in range(page)),
                'd/z',
                'd-',
            ],
        )
        files, folders = _inside(names, 'd')
        for limit in (page - 1, page, page + 1, page + 2, 1000):
            _judge(
                _pages(backend, 'd', limit, 2 * page),
                files,
                folders,
                f'a folder of {page + 2} entries in pages of {limit}',
            )
        _judge(_pages(backend, '', 2, 10), {'d-'}, {'d'}, 'its parent folder')


class _Seen:
    """The entries of several pages."""

    def __init__(self) -> None:
        self.files: list[FileInfo] = []
        self.folders: list[str] = []

    def add(self, page: Any, limit: int) -> None:
        """Add the entries of *page*; fail if there are more than *limit*."""
        if (count := len(page.files) + len(page.folders)) > limit:
            broken(f'Expected at most {limit} entries in a page; saw {count}.')
        self.files += page.files
        self.folders += page.folders


def _fill(backend: BaseBackend, names: Iterable[str]) -> set[str]:
    """Store files with these names, except those that block others; returns the stored names."""
    chosen = list(names)
    if not declares(backend, Capability.NESTED_NAMES):
        chosen = [name for name in chosen if not any(other.startswith(f'{name}/') for other in chosen)]
    for name in chosen:
        backend.write(name, name.encode())
    return set(chosen)


def _inside(names: Iterable[str], prefix: str) -> tuple[set[str], set[str]]:
    """The files and the subfolders directly in the folder *prefix*."""
    top = f'{prefix.rstrip("/")}/' if prefix else ''
    below = [name for name in names if name.startswith(top)]
    entries = {name: top + name[len(top) :].partition('/')[0] for name in below}
    return {name for name in below if entries[name] == name}, {
        entry for name, entry in entries.items() if entry != name
    }


def _pages(backend: BaseBackend, prefix: str, limit: int, most: int) -> _Seen:
    """All pages of a folder; fail if there are more than *most*."""
    seen, after = _Seen(), None
    for _ in range(most):
        page = backend.folder(prefix, after=after, limit=limit)
        seen.add(page, limit)
        if (after := page.next) is None:
            break
    else:
        broken(
            f'Expected the folder {prefix!r} to end, in pages of {limit}; saw {most} pages, and more after {after!r}.'
        )
    return seen


def _judge(seen: _Seen, files: set[str], folders: set[str], what: str) -> None:
    for kind, found, expected in (
        ('files', [info.name for info in seen.files], files),
        ('folders', seen.folders, folders),
    ):
        counts = collections.Counter(found)
        twice = sorted(name for name, times in counts.items() if times > 1)
        missing, strange = sorted(expected - counts.keys()), sorted(counts.keys() - expected)
        if twice or missing or strange:
            broken(
                f'Expected each of {len(expected)} {kind} of {what} once; saw {twice[:3]} more than once, {missing[:3]} missing, '
                f'and also {strange[:3]}.'
            )


def _judge_info(info: FileInfo, scanned: FileInfo) -> None:
    """Fail unless a folder returns the same metadata of a file as a listing."""
    for field in ('size', 'mime', 'modified', 'checksum', 'etag', *NAMES[1:]):
        seen, known = getattr(info, field), getattr(scanned, field)
        if field == 'modified' and None not in (seen, known):
            seen = known if abs((seen - known).total_seconds()) < 2 else seen
        if seen != known and (field == 'size' or (seen and known)):
            broken(f'Expected {field} {known!r} of {info.name!r} from folder(), as from scan(); saw {seen!r}.')
