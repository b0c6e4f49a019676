"""Requests about containers and objects: names in, errors of Flask-FS out."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from urllib.parse import quote

from flask_fs.errors import FSError

from .account import Account, Answer, Request, path_of
from .errors import ContainerGone, Failure, InvalidResponse, NoContainer, Refused
from .facts import etag_of
from .responses import Entry, check_object, listing, removed_all
from .sources import Piece

#: While it copies, or looks at a thousand segments, Swift says nothing for so many times longer than else.
SLOW = 10
#: How many names one bulk request removes: Swift's default limit is 10,000, but operators lower it.
BULK_NAMES = 1000
#: How long a container that answered is believed to be there still, in seconds, when an object in it is missing.
PRESUMED_S = 5.0


class Client:
    """Asks one account for one backend.

    :param translate: Makes an error of Flask-FS of a failure, about the file of a name.
    :param container_headers: Gives the headers with which a container is made that is missing at a write; None if it is
        not to be made.
    """

    def __init__(
        self,
        account: Account,
        timeout_s: float,
        translate: Callable[[Exception, str | None], FSError],
        container_headers: Callable[[str], Mapping[str, str] | None],
    ) -> None:
        self.account = account
        self._slow_s = timeout_s * SLOW
        self._translate = translate
        self._container_headers = container_headers
        #: When each container was last seen to be there (monotonic).
        self.seen: dict[str, float] = {}

    def ask(
        self,
        method: str,
        container: str,
        name: str = '',
        *,
        about: str | None = None,
        query: str = '',
        headers: Mapping[str, str] | None = None,
        body: bytes | Piece = b'',
        passing: Collection[int] = (),
        is_slow: bool = False,
        stream: bool = False,
    ) -> Answer:
        """The answer to a request for a container, or for the object *name* in it.

        :param about: The file that an error is about, if not *name*.
        :param passing: Statuses that are no errors.
        :param stream: Whether the body is to be read, and closed, by the caller.
        """
        about = about if about is not None else name or None
        path = path_of(container, name) if container else ''
        request = Request(
            method, path + query, headers or {}, body, self._slow_s if is_slow else None, frozenset(passing)
        )
        with self.translated(about):
            try:
                answer = self.account.ask(request, stream=stream)
            except Refused as error:
                if error.status == 404 and name:
                    self._require_seen(container, about)
                raise
        if answer.body is not None:
            answer.body.translate = functools.partial(self._translated, name=about)
        if 200 <= answer.status < 300 and container:
            self.seen[container] = time.monotonic()
        return answer

    def address(self, about: str) -> str:
        """The address of the account; it may take the authentication."""
        with self.translated(about):
            return self.account.address()

    @contextmanager
    def translated(self, about: str | None) -> Generator[None]:
        """Turns a failure inside its ``with`` block into an error of Flask-FS."""
        try:
            yield
        except Failure as error:
            raise self._translate(error, about) from error

    def _translated(self, error: Exception, name: str | None) -> Exception:
        return self._translate(error, name)

    def _require_seen(self, container: str, about: str | None) -> None:
        """Called when an object is missing: it may be the container, which Swift answers in the same way.

        :raises ContainerGone: If that was seen, and is gone.
        """
        seen_at = self.seen.get(container)
        if seen_at is None or time.monotonic() - seen_at < PRESUMED_S:
            return
        if self.ask('HEAD', container, about=about, passing=(404,)).status == 404:
            raise ContainerGone(container)

    def is_there(self, container: str) -> bool:
        """Whether there is such a container; asked until it was seen once."""
        return container in self.seen or self.ask('HEAD', container, passing=(404,)).status != 404

    def put(
        self,
        container: str,
        name: str,
        body: bytes | Piece,
        headers: Mapping[str, str],
        *,
        about: str,
        query: str = '',
        passing: Collection[int] = (),
    ) -> Answer:
        """The answer to storing an object, which has its ETag; a container that is missing is made.

        It is not made anew where it was seen before: then it is gone, and its files with it.
        """
        passing = {*passing, 404}
        ask = functools.partial(
            self.ask, 'PUT', container, name, about=about, query=query, headers=headers, body=body, passing=passing,
            is_slow=bool(query),
        )  # fmt: skip
        answer = ask()
        if answer.status == 404 and self._makes_missing(container, about):
            answer = ask()
        with self.translated(about):
            if answer.status == 404:
                raise ContainerGone(container) if container in self.seen else NoContainer(container)
            if answer.status < 300 and not etag_of(answer.headers):
                error = InvalidResponse('the store does not say what it has stored, as it gives no ETag')
                error.unsure = True
                raise error
        return answer

    def copy(
        self,
        container: str,
        name: str,
        to: str,
        target: str,
        *,
        about: str,
        headers: Mapping[str, str] | None = None,
        passing: Collection[int] = (),
    ) -> Answer:
        """The answer to copying an object inside the store; the bytes of a large one become one object (Swift's COPY)."""
        given = {**(headers or {}), 'Destination': path_of(to, target)}
        ask = functools.partial(self.ask, 'COPY', container, name, about=about, headers=given, is_slow=True)
        may_be_missing = to != container and to not in self.seen
        answer = ask(passing={*passing, 404} if may_be_missing else passing)
        if answer.status == 404 and 404 not in passing:
            self._makes_missing(to, about)
            answer = ask(passing=passing)
        if answer.status in passing or etag_of(answer.headers):
            return answer
        # Ceph's gateway begins its answer before a large copy is made, so it cannot say how that ends.
        source, copied = (self.head(place, which, about=about) for place, which in ((container, name), (to, target)))
        with self.translated(about):
            if source.headers['content-length'] != copied.headers['content-length']:
                raise InvalidResponse('the copy that the store has made is not as long as the file')
        return copied

    def _makes_missing(self, container: str, about: str) -> bool:
        """Make a container, if it is one to be made that was never seen; whether that was done."""
        headers = None if container in self.seen else self._container_headers(container)
        if headers is None:
            return False
        self.ask('PUT', container, about=about, headers=headers)
        return True

    def head(self, container: str, name: str, *, about: str | None = None, passing: Collection[int] = ()) -> Answer:
        """The answer to a HEAD of an object."""
        answer = self.ask('HEAD', container, name, about=about, passing=passing)
        if answer.status < 300:
            with self.translated(about if about is not None else name):
                check_object(answer.headers)
        return answer

    def listed(self, container: str, prefix: str, page_names: int) -> Iterator[Entry]:
        """The entries of all objects whose name begins with *prefix*, in the order of their names, page by page."""
        limit, marker, headers = page_names, '', {'Accept': 'application/json'}
        while True:
            query = f'?format=json&prefix={quote(prefix, safe="")}&marker={quote(marker, safe="")}'
            query += f'&limit={limit}' if limit else ''
            answer = self.ask('GET', container, query=query, headers=headers, passing=(404, 412), about=prefix or None)
            if answer.status == 412 and limit:
                # The operator allows fewer: then a page has as many as the cluster likes, and an empty one is the last.
                limit = 0
                continue
            with self.translated(prefix or None):
                if answer.status == 404 and container in self.seen:
                    raise ContainerGone(container)
                if answer.status == 200:
                    entries = listing(answer.content, prefix, marker)
                elif answer.status in (204, 404):
                    return
                else:
                    raise InvalidResponse(f'the store answered {answer.status} to a listing of the container')
            yield from entries
            if not entries or len(entries) < limit:
                return
            marker = entries[-1].name

    def remove(self, container: str, names: Iterable[str], *, about: str | None) -> None:
        """Remove objects, many by one request where the cluster can; absent ones are removed already."""
        remaining = iter(names)
        while batch := list(islice(remaining, BULK_NAMES)):
            left: Sequence[str] = batch
            if len(batch) > 1 and self.account.bulk_deletes is not False:
                left = self._removed_in_bulk(container, batch, about)
            for name in left:
                self.ask('DELETE', container, name, about=about, passing=(404,))

    def _removed_in_bulk(self, container: str, names: Sequence[str], about: str | None) -> Sequence[str]:
        """Those of *names* that one request did not remove."""
        answer = self.ask(
            'POST',
            '',
            query='?bulk-delete',
            headers={'Content-Type': 'text/plain', 'Accept': 'application/json'},
            body=''.join(f'{path_of(container, name)}\n' for name in names).encode(),
            # Without the middleware this is a change to the account, which succeeds with 204 or is refused.
            passing=(400, 401, 403, 404, 405, 411, 413, 501),
            about=about,
            is_slow=True,
        )
        done = removed_all(answer.content, len(names)) if answer.status == 200 else None
        self.account.bulk_deletes = done is not None
        # Whatever did not go is removed one by one, which also tells why it cannot be.
        return () if done else names
