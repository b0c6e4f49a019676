"""One account of Swift: its token and its connections, for every backend of this process that has the same settings."""

from __future__ import annotations

import hashlib
import http.client
import time
import weakref
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import swiftclient.client  # type: ignore[import-untyped]  # it has no types
import urllib3.exceptions
from requests.exceptions import ConnectTimeout, InvalidHeader, SSLError, Timeout

from .bodies import Body
from .errors import Failure, InvalidResponse, Refused, SourceFailed, Unreached, Unsendable
from .login import Access, Login
from .pool import Lease, Pool
from .responses import check_origin, is_number
from .sources import Piece

T = TypeVar('T')

#: What may be raised while a connection is used. Those of requests are OSErrors.
TRANSPORT = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)
#: The store is busy, or lost its patience: 498 is Swift's own (ratelimit), 499 its "client disconnect".
BUSY = frozenset((408, 429, 498, 499, 500, 502, 503, 504, 507))
#: The wait before the second attempt; it doubles with each.
FIRST_DELAY_S = 0.1
MOST_DELAY_S = 5.0

_CONNECTION_SETTINGS = (
    'authurl', 'user', 'key', 'auth_version', 'tenant_name', 'region_name', 'os_options', 'storage_url', 'cacert',
    'insecure', 'timeout_s', 'retries', 'pool_size', 'pool_timeout_s',
)  # fmt: skip


class Request(NamedTuple):
    """What Swift is asked.

    :param path: Within the account, quoted, with its query: see :func:`path_of`.
    :param body: Bytes, or a piece of an upload; either can be sent again.
    :param timeout_s: How long the store may be silent, if not as long as always.
    :param passing: What is no failure, besides the statuses that mean success.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | Piece = b''
    timeout_s: float | None = None
    passing: Collection[int] = ()


class Answer(NamedTuple):
    """What Swift says.

    :param headers: By lower-case name.
    :param content: The whole body, unless it is given as a stream.
    :param unsure: Whether an earlier attempt may have been carried out, whose answer was lost.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = b''
    body: Body | None = None
    unsure: bool = False


class Account:
    """Asks Swift, with a token, over one of a few connections, and again when that may help.

    :param config: The settings of a backend.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._retries: int = config['retries']
        self._timeout_s: float = config['timeout_s']
        self.login = Login(config)
        self.pool = Pool(config['pool_size'], config['pool_timeout_s'])
        #: Whether the cluster removes many files by one request; None while nobody has tried.
        self.bulk_deletes: bool | None = None

    def ask(self, request: Request, *, stream: bool = False) -> Answer:
        """The answer, once it is one of success or one that *request* lets pass.

        :param stream: Whether the body is to be read by the caller, who closes it.
        :raises Refused: With any other answer, and when a busy store stayed busy.
        :raises InvalidResponse: With an answer that is not Swift's.
        :raises Unreached: When there was no answer.
        :raises LoginFailed: When there is no token to be had.
        :raises PoolExhausted: When no connection got free.
        """

        def attempt() -> Answer:
            access = self.login.access()
            answer = self._attempt(request, access, stream)
            if answer.status == 401:
                # Its time is over, or the cluster forgot it: no fault of the caller, so no attempt of theirs.
                answer = self._attempt(request, self.login.renewed(access), stream)
            try:
                check_origin(answer.status, answer.headers)
            except InvalidResponse:
                if answer.body is not None:
                    answer.body.close()
                raise
            if 200 <= answer.status < 300 or answer.status in request.passing:
                return answer
            raise Refused(answer.status, answer.headers, answer.content)

        answer, unsure = self._patiently(attempt)
        return answer._replace(unsure=unsure)

    def address(self) -> str:
        """The address of the account: set, or told by authentication."""
        if url := self._config.get('storage_url'):
            return str(url)
        return self._patiently(self.login.access)[0].url

    def _patiently(self, attempt: Callable[[], T]) -> tuple[T, bool]:
        """What *attempt* gives, tried again when that may help; and whether a failed one may have been carried out."""
        left, delay, unsure = self._retries, FIRST_DELAY_S, False
        while True:
            failure: Failure
            try:
                return attempt(), unsure
            except SourceFailed as failed:
                raise failed.error from None
            except InvalidHeader:
                # Nothing was sent.
                failure, may_help = Unsendable(), False
            except TRANSPORT as error:
                failure = Unreached(_reason(error, self._timeout_s))
                failure.__cause__ = error
                may_help = not _is_hopeless(error)
                # A connection that was never made has carried nothing.
                unsure = unsure or not (isinstance(error, ConnectTimeout) or _is_hopeless(error))
            except Failure as error:
                failure = error
                may_help = getattr(error, 'status', None) in BUSY
                unsure = unsure or isinstance(error, InvalidResponse)
                unsure = unsure or (isinstance(error, Refused) and error.status >= 500)
            if not (left and may_help):
                failure.unsure = unsure
                raise failure
            left -= 1
            time.sleep(delay)
            delay = min(delay * 2, MOST_DELAY_S)

    def _attempt(self, request: Request, access: Access, stream: bool) -> Answer:
        url = str(self._config.get('storage_url') or access.url)
        lease = self.pool.lend(lambda: self._connection(url), fits=lambda connection: connection.url == url)
        try:
            return self._answered(request, access, lease, stream, urlsplit(url).path)
        except BaseException:
            lease.throw_away()
            if isinstance(request.body, Piece) and request.body.failure is not None:
                raise SourceFailed(request.body.failure) from None
            raise

    def _answered(self, request: Request, access: Access, lease: Lease, stream: bool, base: str) -> Answer:
        connection: Any = lease.connection
        if request.timeout_s is not None:
            connection.requests_args['timeout'] = request.timeout_s
        headers = {**request.headers, 'X-Auth-Token': access.token}
        response = connection.request(request.method, base + request.path, request.body, headers)
        connection.requests_args['timeout'] = self._timeout_s
        found = {name.lower(): value for name, value in response.headers.items()}
        length = found.get('content-length', '')
        if stream and response.status_code in (200, 206) and is_number(length):
            return Answer(response.status_code, found, body=Body(response, lease, int(length)))
        content: bytes = response.raw.read(decode_content=False)
        response.close()
        lease.give_back()
        return Answer(response.status_code, found, content)

    def _connection(self, url: str) -> Any:
        config = self._config
        connection = swiftclient.client.HTTPConnection(
            url, cacert=config.get('cacert'), insecure=config['insecure'], timeout=self._timeout_s
        )
        # Swift sends nobody elsewhere; whoever does would be given the token.
        connection.requests_args['allow_redirects'] = False
        return connection


def path_of(container: str, name: str = '') -> str:
    """The path of a container, or of an object in it, within the account: quoted.

    :raises ValueError: If a part of it is ``.`` or ``..``, which HTTP clients resolve, so that it leads elsewhere.
    """
    path = f'/{container}/{name}' if name else f'/{container}'
    if '/./' in f'{path}/' or '/../' in f'{path}/':
        raise ValueError(f'{path!r} has a dot segment')
    return quote(path)


def _is_hopeless(error: Exception) -> bool:
    """Whether the same would fail again, before anything is sent."""
    # TLS fails half-way too, as any connection does.
    return isinstance(error, SSLError) and 'CERTIFICATE_VERIFY' in str(error)


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, SSLError):
        return 'TLS failed: its certificate is not accepted, or the connection broke'
    if isinstance(error, (Timeout, urllib3.exceptions.TimeoutError)):
        return f'it did not answer within {timeout_s:g} s'
    return 'it cannot be connected to, or closed the connection'


# --- One account for all backends of the same settings, for as long as one of them is there.

_accounts: weakref.WeakValueDictionary[bytes, Account] = weakref.WeakValueDictionary()


def account_of(config: Mapping[str, Any]) -> Account:
    """The account that backends with the settings of *config* share in this process."""
    # A digest: there is a password among them, and nobody needs to find it here.
    key = hashlib.sha256(repr([config.get(name) for name in _CONNECTION_SETTINGS]).encode()).digest()
    # Without a lock, which a fork might find held; two accounts made at once would do no harm.
    return _accounts.get(key) or _accounts.setdefault(key, Account(config))
