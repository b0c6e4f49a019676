"""Backends that are each broken in one way: one folder at a time."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
from collections.abc import Iterator
from typing import Any

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import Folder
from flask_fs.backends.memory import MemoryBackend
from flask_fs.backends.paging import page_of

from . import caught_by

INSIDE = 'test_a_folder_has_what_is_directly_in_it_once'
PREFIX = 'test_folders_stay_inside_the_key_prefix'
HIDDEN = 'test_folders_do_not_show_what_is_hidden'
COME_AND_GO = 'test_files_may_come_and_go_between_pages'
GONE = 'test_a_folder_without_files_is_not_given'
LIMIT = 'test_a_limit_is_a_number_of_entries'
SEVERAL = 'test_a_folder_of_several_pages_is_whole'


class Entries(MemoryBackend):
    """What is in a folder, as pairs of an entry and its metadata, None for a folder."""

    def entries(self, prefix: str) -> list[tuple[str, fs.FileInfo | None]]:
        found: dict[str, fs.FileInfo | None] = {}
        for info in self._scan(prefix):
            entry, slash, _ = info.name[len(prefix) :].partition('/')
            found[entry + slash] = None if slash else info
        return sorted(found.items(), key=lambda item: item[0])

    def page(self, prefix: str, entries: list[tuple[str, fs.FileInfo | None]], following: str | None) -> Folder:
        files = [info for _, info in entries if info is not None]
        return Folder(files, [prefix + entry.rstrip('/') for entry, info in entries if info is None], following)


@caught_by(INSIDE)
class ContinuesAfterAFolderWithoutItsSlash(Entries):
    """So that the folder comes again."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        left = [(entry, info) for entry, info in self.entries(prefix) if after is None or entry > after]
        following = left[limit - 1][0].rstrip('/') if len(left) > limit else None
        return self.page(prefix, left[:limit], following)


@caught_by(INSIDE)
class HasAFolderOncePerPage(MemoryBackend):
    """Groups the names of a page of the store."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        names = sorted(info.name for info in self._scan(prefix) if after is None or info.name > after)
        page = names[:limit]
        files = [self._files[name][0] for name in page if '/' not in name[len(prefix) :]]
        folders = {prefix + name[len(prefix) :].partition('/')[0] for name in page if '/' in name[len(prefix) :]}
        return Folder(files, sorted(folders), page[-1] if len(names) > limit else None)


@caught_by(INSIDE)
class HasOneNameOnce(MemoryBackend):
    """A file hides the folder of its name."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        files = {info.name for info in page.files}
        return dataclasses.replace(page, folders=[name for name in page.folders if name not in files])


@caught_by(INSIDE, COME_AND_GO, SEVERAL)
class HasNoLastEntryOfAFullPage(Entries):
    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        left = [(entry, info) for entry, info in self.entries(prefix) if after is None or entry > after]
        if len(left) <= limit:
            return self.page(prefix, left, None)
        return self.page(prefix, left[: max(1, limit - 1)], left[limit - 1][0])


@caught_by(INSIDE)
class HasSubfoldersOfSubfolders(MemoryBackend):
    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        below = {info.name.rpartition('/')[0] for name in page.folders for info in self._scan(f'{name}/')}
        return dataclasses.replace(page, folders=sorted({*page.folders, *below}))


@caught_by(INSIDE)
class FindsFoldersByTheirBeginning(MemoryBackend):
    """Takes the prefix for the beginning of names, without a slash."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        return page_of(
            (dataclasses.replace(info, name=prefix + info.name[len(prefix) - 1 :].lstrip('/')) for info in self._scan(prefix.rstrip('/')) if len(info.name) >= len(prefix)),
            prefix, after, limit,
        )  # fmt: skip


@caught_by(INSIDE)
class GuessesSizes(MemoryBackend):
    """Gives no metadata with a folder, and zeros in its place."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        return dataclasses.replace(page, files=[dataclasses.replace(info, size=1, mime='a/b') for info in page.files])


@caught_by(PREFIX)
class GivesFoldersWithoutTheOnesAbove(MemoryBackend):
    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        return dataclasses.replace(page, folders=[name.rpartition('/')[2] for name in page.folders])


@caught_by(PREFIX)
class ForgetsTheKeyPrefix(MemoryBackend):
    def folder(self, prefix: str = '', **options: Any) -> Folder:
        if not prefix:
            return super().folder(prefix, **options)
        return self._folder(f'{prefix.rstrip("/")}/', options.get('after'), options.get('limit', 1000))


@caught_by(HIDDEN)
class ShowsWhatIsHidden(MemoryBackend):
    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        top = f'{prefix.rstrip("/")}/' if prefix else ''
        page = self._folder(self._prefix + top, after, limit)
        return dataclasses.replace(page, files=[self._strip_prefix(info) for info in page.files])


@caught_by(HIDDEN)
class CountsWhatIsHidden(MemoryBackend):
    """Takes what has no possible name for a folder of it."""

    def folder(self, prefix: str = '', **options: Any) -> Folder:
        page = super().folder(prefix, **options)
        hidden = any('.fs-tmp-' in info.name for info in self._scan(self._prefix + prefix))
        return dataclasses.replace(page, folders=sorted({*page.folders, 'hidden'})) if hidden else page


@caught_by(GONE)
class RemembersFolders(MemoryBackend):
    """Which it once had."""

    known: set[str]

    def share(self, other: MemoryBackend) -> None:
        super().share(other)
        self.known = vars(other).setdefault('known', set())

    def _remove(self, name: str) -> None:
        self.known.add(name)
        super()._remove(name)

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        once = {prefix + name[len(prefix) :].partition('/')[0] for name in self.known if name.startswith(prefix)}
        return dataclasses.replace(page, folders=sorted({*page.folders, *once})) if after is None else page


@caught_by(GONE)
class ListsFoldersThatAreKept(MemoryBackend):
    """As those of a previous look are."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        kept: set[str] = vars(self).setdefault('kept', {}).setdefault(prefix, set())
        kept |= set(page.folders)
        return dataclasses.replace(page, folders=sorted(kept)) if after is None else page


@caught_by(COME_AND_GO)
class CountsEntries(Entries):
    """Skips as many as it has given."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        found, start = self.entries(prefix), int(after or 0)
        following = str(start + limit) if len(found) > start + limit else None
        return self.page(prefix, found[start : start + limit], following)


@caught_by(COME_AND_GO)
class NeedsTheLastEntry(Entries):
    """Looks for the last entry of the page before, and begins anew if it is gone."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        found = self.entries(prefix)
        names = [entry for entry, _ in found]
        start = names.index(after) + 1 if after in names else 0
        page = found[start : start + limit]
        return self.page(prefix, page, page[-1][0] if len(found) > start + limit else None)


@caught_by(COME_AND_GO)
class RemembersWhereItWas(Entries):
    """In the backend, and not in what it returns."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        listing: Iterator[Any] = vars(self).setdefault('listing', {}).pop(after, None) or iter(self.entries(prefix))
        page = list(itertools.islice(listing, limit))
        if len(page) < limit:
            return self.page(prefix, page, None)
        vars(self)['listing'][page[-1][0]] = listing
        return self.page(prefix, page, page[-1][0])


@caught_by(PREFIX)
class KeepsTheFolderInTheMarker(MemoryBackend):
    """Opaque, so that it seems safe; whoever sends the marker of another folder sees that folder."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        if after is not None:
            try:
                prefix, after = json.loads(base64.b64decode(after))
            except ValueError:
                return Folder([], [])
        page = super()._folder(prefix, after, limit)
        marker = page.next and base64.b64encode(json.dumps([prefix, page.next]).encode()).decode()
        return dataclasses.replace(page, next=marker)


@caught_by(PREFIX)
class ContinuesOutsideTheFolder(Entries):
    """Keeps to the folder on the first page; later ones begin at a key, and end with the store."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        names = sorted(self._files)
        found = [name for name in names if (name.startswith(prefix) if after is None else name > after)]
        files, folders = list[fs.FileInfo](), list[str]()
        for name in found[:limit]:
            entry, slash, _ = name.removeprefix(prefix).partition('/')
            if slash:
                folders.append(f'{prefix}{entry}')
            else:
                files.append(self._stat(name))
        return Folder(files, folders, found[limit - 1] if len(found) > limit else None)


@caught_by(LIMIT)
class TakesAnyLimit(MemoryBackend):
    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        return super().folder(prefix, after=after, limit=max(1, min(1000, int(limit or 1))))


@caught_by(LIMIT)
class TakesMoreThanStoresGive(MemoryBackend):
    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise ValueError('limit must be at least 1')
        return super().folder(prefix, after=after, limit=min(limit, 1000))


@caught_by(SEVERAL)
class EndsWithThePageOfTheStore(Entries):
    """Groups what the store lists at once, and takes it for all."""

    def entries(self, prefix: str) -> list[tuple[str, fs.FileInfo | None]]:
        return super().entries(prefix)[:100]

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        left = [(entry, info) for entry, info in self.entries(prefix) if after is None or entry > after]
        return self.page(prefix, left[:limit], left[limit - 1][0] if len(left) > limit else None)


@caught_by(INSIDE)
class GivesNoSizesInFolders(HTTPBackend):
    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        return dataclasses.replace(page, files=[dataclasses.replace(info, size=0) for info in page.files])


@caught_by(INSIDE)
class GivesOneTypeInFolders(HTTPBackend):
    """Instead of the one that the name suggests, where the store lists none."""

    def _folder(self, prefix: str, after: str | None, limit: int) -> Folder:
        page = super()._folder(prefix, after, limit)
        mime = 'application/octet-stream'
        return dataclasses.replace(page, files=[dataclasses.replace(info, mime=mime) for info in page.files])
