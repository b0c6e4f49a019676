"""Listings of a bucket, page by page, with checks that the pages are plausible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError

from .bucket import Bucket
from .errors import code_of
from .responses import ImplausibleResponse

#: The maximum number of consecutive empty pages. S3 returns empty pages where many objects were deleted.
_MAX_EMPTY_PAGES = 1000


class Listing(NamedTuple):
    """A listing operation.

    :param operation: Its name in S3.
    :param entry: The field of a page that contains the entries.
    :param required: The fields that each entry must have.
    :param identity: The fields that identify an entry.
    :param markers: The fields of a page that point to the next page, and the parameters to send them as.
    """

    operation: str
    entry: str
    required: tuple[str, ...]
    identity: tuple[str, ...]
    markers: dict[str, str]


_NEXT = {'NextContinuationToken': 'ContinuationToken'}
# The ETag is not required: s3proxy and others list none for objects that they keep in other kinds of stores.
OBJECTS = Listing('ListObjectsV2', 'Contents', ('Key', 'Size', 'LastModified'), ('Key',), _NEXT)
UPLOADS = Listing(
    'ListMultipartUploads',
    'Uploads',
    ('Key', 'UploadId', 'Initiated'),
    ('Key', 'UploadId'),
    {'NextKeyMarker': 'KeyMarker', 'NextUploadIdMarker': 'UploadIdMarker'},
)


def entries(bucket: Bucket, kind: Listing, prefix: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """The entries whose keys begin with *prefix*; none if the bucket does not exist yet.

    :raises ImplausibleResponse: If a page lacks fields, contains keys that were not requested, repeats an earlier page,
        or does not point to the next one.
    """
    more: dict[str, Any] = {}
    # Brent's algorithm: remember only page 2^n, because a cycle returns to one of these.
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
                operation=kind.operation, what='incomplete: it is truncated but has no marker for the next page'
            )
        begins = tuple(found[0][field] for field in kind.identity) if found else None
        number, empty = number + 1, 0 if found else empty + 1
        if more == remembered[0] or (begins is not None and begins == remembered[1]):
            raise ImplausibleResponse(operation=kind.operation, what='the same page again')
        if empty > _MAX_EMPTY_PAGES:
            raise ImplausibleResponse(operation=kind.operation, what=f'{empty} empty pages in a row')
        if not number & (number - 1):
            remembered = more, begins


def folder_page(
    bucket: Bucket, prefix: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], list[str], str | None]:
    """One page of the objects and folder names directly in a folder, in one request; empty if there is no bucket.

    :param after: Where the previous page ended: the store's token for a page and, if that page had more entries than
        requested, the last entry returned.
    :raises ImplausibleResponse: If a page lacks fields, contains keys that were not requested, or does not point to the
        next one.
    """
    token, _, last = (after or '').partition('\n')
    # On the first page, skip the empty object that can mark the folder itself: SeaweedFS ends the listing there if
    # nothing else fits on the page.
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
            operation=OBJECTS.operation, what='incomplete: it is truncated but has no marker for the next page'
        )
    entries = {name: one for name, one in _directly_in(prefix, page).items() if name > last}
    # SeaweedFS counts a file and a folder with the same name as one entry, and cannot start between them.
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
        raise ImplausibleResponse(operation=OBJECTS.operation, what=f'a page with entries outside {prefix!r}')
    return entries | dict.fromkeys(folders)


def _check(kind: Listing, prefix: str, one: dict[str, Any]) -> None:
    # Some stores list only the key of the empty objects that mark folders.
    required = ('Key',) if str(one.get('Key')).endswith('/') else kind.required
    if missing := [field for field in required if one.get(field) in (None, '')]:
        raise ImplausibleResponse(operation=kind.operation, what=f'an entry without {missing[0]}')
    if not one['Key'].startswith(prefix):
        raise ImplausibleResponse(operation=kind.operation, what=f'a key that does not begin with {prefix!r}')
