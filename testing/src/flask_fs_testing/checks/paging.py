"""Listings of several pages: complete at every page boundary, whatever changes meanwhile, and no faster than needed."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from flask_fs.backends import BaseBackend

from ..guarantees import broken, check
from ..harness import Harness, NetworkHarness
from ..leaks import open_files
from ..metering import through_proxy

#: Part of every name: each page begins and ends with a name that has to be quoted.
ODD = ' +%2F&é"\'#?;=日\U0001f389'
#: How many pages a long listing has.
PAGES = 3
#: The two verbs that list.
LISTINGS: Mapping[str, Callable[[BaseBackend], Iterator[str]]] = {
    'list_files': lambda backend: backend.list_files('many/'),
    'scan': lambda backend: (info.name for info in backend.scan('many/')),
}


class PageChecks:
    """Folders with more files than the store lists in one response."""

    @check(
        '_scan',
        cause='Only the first page is listed, a page that is exactly full has one file too few or too many, or the marker of the '
        'next page is not quoted. Check how _scan and _names go from page to page.',
    )
    def test_every_page_is_listed(self, harness: Harness) -> None:
        """All files are listed, each once, however many there are and whatever their names, at every page boundary."""
        backend = harness.make()
        names = _names()
        backend.write('beside', b'')
        written = set[str]()
        for count in (harness.page_size - 1, harness.page_size, harness.page_size + 1, 2 * harness.page_size + 1):
            new = list(itertools.islice(names, count - len(written)))
            _fill(backend, new)
            written.update(new)
            for verb, listing in LISTINGS.items():
                _judge(verb, listing(backend), written)
        for verb, listing in LISTINGS.items():
            # Two at the same time, one a name ahead of the other.
            first, second = listing(backend), listing(backend)
            seen: tuple[list[str | None], ...] = ([next(first)], [])
            for found in itertools.zip_longest(first, second):
                for listed, name in zip(seen, found, strict=True):
                    listed.append(name)
            for listed in seen:
                _judge(f'{verb}, twice at the same time,', filter(None, listed), written)
        assert len(list(itertools.islice(backend.list_files(), 3))) == 3

    @check(
        '_scan',
        cause='Pages use offsets instead of continuing after the last name, a file that is removed after it was listed '
        'raises, or a lock is held between two pages. Check how _scan and _names continue.',
    )
    def test_files_may_come_and_go_during_a_listing(self, harness: Harness) -> None:
        """A listing has every file that exists all the time, once, whatever is written and removed meanwhile."""
        backend, other = harness.make(), harness.make()
        names = list(itertools.islice(_names(), harness.page_size + 5))
        _fill(backend, names)
        for (verb, listing), removed in zip(LISTINGS.items(), (names[::4], names[2::4]), strict=True):
            going, late, seen = set(removed), set(removed[1::2]), list[str]()
            for name in listing(backend):
                if not seen:
                    # Also with the backend that lists.
                    backend.write(name, b'')
                    other.write('many/0 new', b'')
                    other.write('many/z new', b'')
                    for early in ('many/0 new', *removed[::2]):
                        other.remove(early)
                seen.append(name)
                if name in late:
                    other.remove(name)
            stayed = set(names) - going
            _judge(verb, (name for name in seen if name in stayed), stayed)
            assert set(seen) <= {*names, 'many/0 new', 'many/z new'}
            names = [name for name in names if name not in going]
            for name in going:
                other.remove(name)
        for name in backend.list_files('many/'):
            backend.remove(name)
        assert harness.names_raw() == []

    @check(
        'delete',
        cause='Only the first page of the folder is deleted, or every second one, because pages use offsets while files are '
        'removed. Check how _delete lists.',
    )
    def test_a_whole_folder_goes_however_many_files_it_has(self, harness: Harness) -> None:
        """Deleting a folder removes all its files, even if the store lists them in several pages."""
        backend = harness.make()
        _fill(backend, itertools.islice(_names(), harness.page_size + 5))
        backend.write('other', b'')
        backend.delete('many')
        assert harness.names_raw() == ['other']

    @check(
        '_scan',
        cause='Something other than the generator keeps a connection, a cursor or an open folder of the listing. Check '
        'what _scan and _names hold while they yield.',
    )
    def test_a_listing_that_is_dropped_gives_back_what_it_holds(self, harness: Harness) -> None:
        """A listing that is read only in part keeps nothing open, and blocks nothing."""
        backend = harness.make()
        # Several folders with several files.
        _fill(backend, (f'many/{number}/{name}' for number in range(3) for name in 'abc'))
        before = 0
        for turn in range(15):
            for listing in LISTINGS.values():
                next(listing(backend))
            if turn == 4:
                before = open_files()
        if (after := open_files()) > before + 5:
            broken(f'Expected {before} open files and connections after 20 more listings were begun; saw {after}.')
        backend.delete('many')
        assert harness.names_raw() == []


class LazyPageChecks:
    """The traffic of a listing."""

    @check(
        '_scan',
        cause='All pages are fetched, or sorted, before the first name is returned. _scan and _names are generators that request '
        'a page when its first name is needed.',
    )
    def test_the_first_names_need_one_page(self, harness: NetworkHarness) -> None:
        """The first name of a long listing is returned after its first page, and later pages are requested as they are needed.

        A page of a folder takes no more requests than ``max_requests`` allows, however much is below it.
        """
        names = list(itertools.islice(_names(), (PAGES - 1) * harness.page_size + 1))
        _fill(harness.make(), names)
        with through_proxy(harness) as (proxy, backend):

            def received() -> tuple[int, int]:
                return len(proxy.requests), sum(connection.bytes_down for connection in proxy.connections)

            for verb, listing in LISTINGS.items():
                begun = received()
                remaining = listing(backend)
                first = next(remaining)
                early = received()
                _judge(verb, itertools.chain((first,), remaining), set(names))
                requests, size = (now - then for now, then in zip(received(), begun, strict=True))
                requests_early, size_early = (now - then for now, then in zip(early, begun, strict=True))
                if harness.http and requests < PAGES:
                    # A store that lists everything in one response sends it as fast as it can.
                    continue
                # A store or a driver can be a page ahead.
                if (requests_early == requests) if harness.http else (size_early > 0.8 * size):
                    broken(
                        f'Expected about one of {PAGES} pages to be received for the first name of {verb}; saw {size_early} of '
                        f'{size} bytes, by {requests_early} of {requests} requests.'
                    )
            begun = received()
            page = backend.folder('')
            requests = received()[0] - begun[0]
            assert (page.files, page.folders, page.next) == ([], ['many'], None)
            if harness.http and requests > harness.max_requests.get('folder', requests):
                broken(
                    f'Expected the folder of {len(names)} files in {harness.max_requests["folder"]} requests; saw {requests}.'
                )


def _names() -> Iterator[str]:
    return (f'many/{number:05}{ODD}' for number in itertools.count())


def _fill(backend: BaseBackend, names: Iterable[str]) -> None:
    for name in names:
        backend.write(name, b'')


def _judge(verb: str, listed: Iterator[str], expected: set[str]) -> None:
    """Fail unless *listed* has each name of *expected* once."""
    # A listing that returns to its first page never ends.
    seen = collections.Counter(itertools.islice(listed, 2 * len(expected) + 1))
    twice = [name for name, times in seen.items() if times > 1]
    missing, strange = expected - seen.keys(), seen.keys() - expected
    if twice or missing or strange:
        broken(
            f'Expected {verb} to return each of {len(expected)} files once; saw {len(twice)} more than once '
            f'({_some(twice)}), {len(missing)} missing ({_some(missing)}) and {len(strange)} others ({_some(strange)}).'
        )


def _some(names: Iterable[str]) -> str:
    return ', '.join(map(repr, sorted(names)[:3])) or 'none'
