"""Storing a stream: by one request where it is small, in pieces where it is not, and not at all where that fails."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

from flask_fs.backends import Attributes, Checksum, Source, checksum_of
from flask_fs.errors import ChecksumMismatch

from .attributes import CHECKSUM_KEY, set_attributes
from .bucket import Bucket
from .errors import SDK_ERRORS, ImplausibleResponse
from .settings import CHUNK_UNIT

#: The most that google-cloud-storage sends by one request.
_MAX_REQUEST_BYTES = 8 * 1024 * 1024


def put(bucket: Bucket, name: str, source: Source, attributes: Attributes, *, generation: int | None) -> None:
    """Store what *source* holds, with its checksum.

    :param generation: See :meth:`Bucket.store`.
    """
    threshold = min(bucket.config.chunk_bytes, _MAX_REQUEST_BYTES)
    head = source.take(threshold)
    if is_large := len(head) == threshold:
        source.unread(head)
        head = b''

    def store(metadata: dict[str, str], generation: int | None) -> None:
        blob, options = bucket.sdk.blob(name), {'if_generation_match': generation, **bucket.client.options}
        set_attributes(blob, attributes)
        options['content_type'] = blob.content_type
        blob.metadata = {**(blob.metadata or {}), **metadata}
        if is_large:
            session = bucket.write(name, lambda: blob.create_resumable_upload_session(checksum=None, **options))
            _send(bucket, blob, bucket.client.url(session), source, options['content_type'])
        else:
            blob.metadata = {CHECKSUM_KEY: checksum_of((head,), bucket.config.checksum), **blob.metadata}
            # The store compares the MD5 as it arrives.
            bucket.write(name, lambda: blob.upload_from_string(head, checksum='md5', **options))

    bucket.store(name, store, generation=generation)


def _send(bucket: Bucket, blob: Any, session: str, source: Source, mime: str) -> None:
    """Store a stream of any length by a resumable upload, of which nothing shows before its last piece has arrived.

    Bytes that the store has already it ignores, so a piece whose response was lost is sent again
    (https://cloud.google.com/storage/docs/performing-resumable-uploads).
    """
    checksum, md5 = Checksum(bucket.config.checksum), Checksum('md5')
    chunk_bytes = bucket.config.chunk_bytes // CHUNK_UNIT * CHUNK_UNIT
    at, chunk, is_last, stored, digest = 0, b'', False, None, ''
    try:
        while stored is None:
            if not chunk and not is_last:
                chunk = source.take(chunk_bytes)
                is_last = len(chunk) < chunk_bytes
                checksum.update(chunk)
                md5.update(chunk)
            end, digest = at + len(chunk), base64.b64encode(bytes.fromhex(md5.hex)).decode()
            headers = {
                'Content-Type': mime,
                'Content-Range': f'bytes {f"{at}-{end - 1}" if chunk else "*"}/{end if is_last else "*"}',
                'X-Goog-Hash': f'md5={digest}' if is_last else None,
            }
            with bucket.client.request('PUT', session, 200, 201, 308, data=chunk, headers=headers) as response:
                if is_last and response.status_code != 308:
                    stored = response.json()
                # It may have kept less than was sent.
                kept = int(response.headers.get('Range', '-').rpartition('-')[2] or -1) + 1
            if stored is None and not at < kept <= end:
                raise ImplausibleResponse(f'an upload of {end} bytes of which it has {kept}')
            chunk, at = chunk[kept - at :], kept
    except BaseException:
        # It would expire after a week: nobody has to wait for its end.
        with contextlib.suppress(*SDK_ERRORS):
            bucket.client.session.delete(session, timeout=bucket.config.connect_timeout_s).close()
        raise
    if stored.get('md5Hash') != digest:
        raise bucket.error(ChecksumMismatch, blob.name, 'the store has other bytes than were sent')
    # Known only now. Without the permission to update objects it is computed when it is accessed.
    blob.metadata = {CHECKSUM_KEY: str(checksum)}
    with contextlib.suppress(*SDK_ERRORS):
        blob.patch(if_generation_match=int(stored['generation']), **bucket.client.options)
