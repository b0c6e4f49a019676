"""What a bucket lists, page by page, as long as the pages make sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError

from .bucket import Bucket
from .errors import code_of
from .responses import ImplausibleResponse

#: How many pages in a row may be empty although more is to follow, as S3 gives them where much was deleted.
_MAX_EMPTY_PAGES = 1000


class Listing(NamedTuple):
    """One of the operations that list.

    :param operation: Its name in S3.
    :param entry: The field of a page with what is listed.
    :param required: What S3 reports of each.
    :param identity: Which of it identifies each.
    :param markers: The fields of a page that lead to the next one, and the parameters that take them there.
    """

    operation: str
    entry: str
    required: tuple[str, ...]
    identity: tuple[str, ...]
    markers: dict[str, str]


_NEXT = {'NextContinuationToken': 'ContinuationToken'}
# Not the ETag: s3proxy and others list none for what they keep in stores of another kind.
OBJECTS = Listing('ListObjectsV2', 'Contents', ('Key', 'Size', 'LastModified'), ('Key',), _NEXT)
UPLOADS = Listing(
    'ListMultipartUploads',
    'Uploads',
    ('Key', 'UploadId', 'Initiated'),
    ('Key', 'UploadId'),
    {'NextKeyMarker': 'KeyMarker', 'NextUploadIdMarker': 'UploadIdMarker'},
)


def entries(bucket: Bucket, kind: Listing, prefix: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """What is listed under the keys that begin with *prefix*; nothing if there is no bucket yet.

    :raises ImplausibleResponse: For a page with holes, with keys that were not requested, or that leads back or nowhere.
    """
    more: dict[str, Any] = {}
    # After Brent: only one page is remembered, the (2^n)th, and a cycle comes back to one of these.
    remembered: tuple[Any, Any] = (None, None)
    number, empty = 0, 0
    while True:
        try:
            page = bucket.request(xform_name(kind.operation), Prefix=prefix, **parameters, **more)
        except ClientError as error:
            if code_of(error) != 'NoSuchBucket':
                raise
            return
        found: list[dict[str, Any]] = page.get(kind.entry) or []
        for one in found:
            _check(kind, prefix, one)
        yield from found
        if not page['IsTruncated']:
            return
        more = {parameter: page[field] for field, parameter in kind.markers.items() if page.get(field)}
        if not more:
            raise ImplausibleResponse(
                operation=kind.operation, what='incomplete: there is more, but it does not say where'
            )
        begins = tuple(found[0][field] for field in kind.identity) if found else None
        number, empty = number + 1, 0 if found else empty + 1
        if more == remembered[0] or (begins is not None and begins == remembered[1]):
            raise ImplausibleResponse(operation=kind.operation, what='the same page again')
        if empty > _MAX_EMPTY_PAGES:
            raise ImplausibleResponse(operation=kind.operation, what=f'{empty} empty pages, and still not the end')
        if not number & (number - 1):
            remembered = more, begins


def folder_page(
    bucket: Bucket, prefix: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], list[str], str | None]:
    """The objects and the names of the folders directly in a folder: one page, by one request; nothing if there is no bucket.

    :param after: Where the page before ended: the token of a page of the store, which keeps nothing for it, and, where that
        page had more entries than requested, after which of them.
    :raises ImplausibleResponse: For a page with holes, with keys that were not requested, or that leads nowhere.
    """
    token, _, last = (after or '').partition('\n')
    # On the first page, the empty object that may stand for the folder itself is passed over: SeaweedFS ends there if it is
    # all that fits on the page.
    more = {'ContinuationToken': token} if token else {'StartAfter': prefix} if prefix else {}
    try:
        page = bucket.request('list_objects_v2', Prefix=prefix, Delimiter='/', MaxKeys=limit, **more)
    except ClientError as error:
        if code_of(error) != 'NoSuchBucket':
            raise
        return [], [], None
    following = page.get('NextContinuationToken') if page['IsTruncated'] else None
    if page['IsTruncated'] and following in (None, '', token):
        raise ImplausibleResponse(
            operation=OBJECTS.operation, what='incomplete: there is more, but it does not say where'
        )
    entries = {name: one for name, one in _directly_in(prefix, page).items() if name > last}
    # SeaweedFS counts a file and a folder of one name as one, and cannot begin between them.
    given = sorted(entries)[:limit]
    files = [one for name in given if (one := entries[name]) is not None and not name.endswith('/')]
    folders = [name[:-1] for name in given if entries[name] is None]
    return files, folders, f'{token}\n{given[-1]}' if len(given) < len(entries) else following


def _directly_in(prefix: str, page: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    """The objects of a page by key, and its folders, whose names end with a slash."""
    entries: dict[str, dict[str, Any] | None] = {}
    for one in page.get('Contents') or ():
        _check(OBJECTS, prefix, one)
        entries[one['Key']] = one
    folders = [str(one.get('Prefix')) for one in page.get('CommonPrefixes') or ()]
    if any('/' in key[len(prefix) : -1] for key in entries) or not all(
        folder.startswith(prefix) and folder.find('/', len(prefix)) == len(folder) - 1 for folder in folders
    ):
        raise ImplausibleResponse(operation=OBJECTS.operation, what=f'what is not directly in {prefix!r}')
    return entries | dict.fromkeys(folders)


def _check(kind: Listing, prefix: str, one: dict[str, Any]) -> None:
    # Of the empty objects that stand for folders some stores list the key alone.
    required = ('Key',) if str(one.get('Key')).endswith('/') else kind.required
    if missing := [field for field in required if one.get(field) in (None, '')]:
        raise ImplausibleResponse(operation=kind.operation, what=f'an entry without {missing[0]}')
    if not one['Key'].startswith(prefix):
        raise ImplausibleResponse(operation=kind.operation, what=f'a key that does not begin with {prefix!r}')
