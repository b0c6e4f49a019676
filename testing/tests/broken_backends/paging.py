"""Backends that are each broken in one way: listings of several pages."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from http_store import HTTPBackend

import flask_fs as fs
from flask_fs.backends import Source
from flask_fs.backends.local import LocalBackend
from flask_fs.backends.memory import MemoryBackend

from . import caught_by

PAGE = 1000


class Paged(MemoryBackend):
    """Lists by pages, as a store does."""

    def _page(self, prefix: str, after: str, count: int = PAGE) -> list[fs.FileInfo]:
        names = sorted(name for name in self._files if name.startswith(prefix) and name > after)
        return [self._files[name][0] for name in names[:count]]


@caught_by('test_every_page_is_listed')
class ListsOnePage(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return itertools.islice(super()._scan(prefix), PAGE)


@caught_by('test_every_page_is_listed')
class ListsTwoPages(MemoryBackend):
    """Takes what follows the first page for the rest."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return itertools.islice(super()._scan(prefix), 2 * PAGE)


@caught_by('test_every_page_is_listed')
class StartsOverAfterAFullPage(Paged):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        after = ''
        while page := self._page(prefix, after):
            yield from page
            if len(page) < PAGE:
                return
            # There is no next page, and so no marker of one.
            after = page[-1].name if self._page(prefix, page[-1].name) else ''


@caught_by('test_every_page_is_listed')
class RepeatsTheMarker(Paged):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        yield from (page := self._page(prefix, ''))
        while len(page) >= PAGE:
            # One before it, so that it comes with the next page too.
            page = self._page(prefix, page[-2].name)
            yield from page


@caught_by('test_every_page_is_listed')
class LosesTheLastPage(Paged):
    """Asks for one more than it gives, and takes that one for the marker."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        after = ''
        while len(page := self._page(prefix, after, PAGE + 1)) > PAGE:
            yield from page[:-1]
            after = page[-1].name
        yield from page


@caught_by('test_every_page_is_listed')
class QuotesNoMarker(HTTPBackend):
    """Leaves characters of the marker as they are that mean something in a query."""

    def _path(self, name: str | None, query: Mapping[str, str] | None = None) -> str:
        rest = '&'.join(f'{key}={quote(value, safe="+/")}' for key, value in (query or {}).items())
        return super()._path(name) + (f'?{rest}' if rest else '')


@caught_by('test_a_whole_folder_goes_however_many_files_it_has')
class DeletesOnePage(MemoryBackend):
    def _delete(self, name: str) -> None:
        self._remove(name)
        for below in list(itertools.islice(self._names(f'{name}/'), PAGE)):
            self._remove(below)


@caught_by('test_files_may_come_and_go_during_a_listing')
class CountsPages(Paged):
    """Skips as many names as it has given."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        for given in itertools.count(0, PAGE):
            page = self._page(prefix, '', given + PAGE)[given:]
            yield from page
            if len(page) < PAGE:
                return


@caught_by('test_a_whole_folder_goes_however_many_files_it_has')
class DeletesEverySecondPage(CountsPages):
    def _delete(self, name: str) -> None:
        self._remove(name)
        for below in self._names(f'{name}/'):
            self._remove(below)


@caught_by('test_files_may_come_and_go_during_a_listing')
class LooksAtWhatItListed(MemoryBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return map(self._stat, list(self._names(prefix)))

    def _names(self, prefix: str) -> Iterator[str]:
        return iter(sorted(name for name in self._files if name.startswith(prefix)))


@caught_by('test_files_may_come_and_go_during_a_listing')
class ListsATableInUse(MemoryBackend):
    def _names(self, prefix: str) -> Iterator[str]:
        return (name for name in self._files if name.startswith(prefix))


@caught_by('test_a_listing_that_is_dropped_gives_back_what_it_holds')
class ClosesTheFolderAtTheEnd(LocalBackend):
    """Which a listing that is dropped does not reach."""

    def _names(self, prefix: str) -> Iterator[str]:
        folder = os.open(self.root, os.O_RDONLY)
        yield from super()._names(prefix)
        os.close(folder)


@caught_by('test_a_listing_that_is_dropped_gives_back_what_it_holds')
class OpensAConnectionForEachListing(HTTPBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        host, _, port = self.config.endpoint.partition(':')
        vars(self).setdefault('kept', []).append(socket.create_connection((host, int(port))))
        return super()._scan(prefix)


@caught_by('test_the_first_names_need_one_page')
class ListsAllAtOnce(HTTPBackend):
    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        return iter(list(super()._scan(prefix)))


@caught_by('test_the_first_names_need_one_page')
class SortsItsNames(HTTPBackend):
    def _names(self, prefix: str) -> Iterator[str]:
        return iter(sorted(info.name for info in super()._scan(prefix)))


@caught_by('test_every_page_is_listed')
class SharesACursor(MemoryBackend):
    """Continues with the listing that was begun last."""

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        self._cursor = super()._scan(prefix)
        while (info := next(self._cursor, None)) is not None:
            yield info


@caught_by('test_files_may_come_and_go_during_a_listing')
class LocksWhatItLists(MemoryBackend):
    """A listing is a transaction for reading, which shuts out those that replace."""

    _listings = 0

    def _scan(self, prefix: str = '') -> Iterator[fs.FileInfo]:
        self._listings += 1
        try:
            yield from super()._scan(prefix)
        finally:
            self._listings -= 1

    def _put(self, name: str, stream: Source, **options: Any) -> fs.FileInfo:
        if self._listings and name in self._files:
            raise self.error(fs.Unavailable, name, 'it is locked')
        return super()._put(name, stream, **options)
