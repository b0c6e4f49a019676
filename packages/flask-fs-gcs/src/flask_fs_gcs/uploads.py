"""Storing a stream: in one request if it is small, otherwise in chunks, and never partially."""

from __future__ import annotations

import contextlib
from typing import Any

from flask_fs.backends import CHECKSUM_KEY, Attributes, Checksum, Source, headers_of, metadata_of, undone_by
from flask_fs.errors import ChecksumMismatch

from .attributes import set_attributes
from .bucket import Bucket
from .errors import SDK_ERRORS, ImplausibleResponse
from .settings import CHUNK_UNIT

#: The maximum that google-cloud-storage sends in one request.
_MAX_REQUEST_BYTES = 8 * 1024 * 1024


def put(bucket: Bucket, name: str, source: Source, attributes: Attributes, *, generation: int | None) -> None:
    """Store the content of *source*, with its checksum.

    :param generation: See :meth:`Bucket.replacing`.
    """
    threshold = min(bucket.config.chunk_bytes, _MAX_REQUEST_BYTES)
    head, checksum = source.take(threshold), Checksum(bucket.config.checksum)
    with bucket.replacing(name, generation) as metadata:
        blob, options = bucket.sdk.blob(name), {'if_generation_match': generation, **bucket.client.options}
        set_attributes(blob, headers_of(attributes, name), metadata_of(attributes) | metadata)
        if len(head) < threshold:
            checksum.update(head)
            blob.metadata = {**(blob.metadata or {}), CHECKSUM_KEY: str(checksum)}
            # The store verifies the MD5 on arrival.
            bucket.store(name, lambda: blob.upload_from_string(head, blob.content_type, checksum='md5', **options))
            return
        source.unread(head)
        head = b''
        session = bucket.store(name, lambda: blob.create_resumable_upload_session(checksum=None, **options))
        _send(bucket, blob, bucket.client.url(session), source, checksum)


def _send(bucket: Bucket, blob: Any, session: str, source: Source, checksum: Checksum) -> None:
    """Store a stream of any length with a resumable upload, which is not visible before its last chunk has arrived.

    The store ignores bytes that it already has, so a chunk whose response was lost can be sent again
    (https://cloud.google.com/storage/docs/performing-resumable-uploads).
    """
    md5, chunk_bytes = Checksum('md5'), bucket.config.chunk_bytes // CHUNK_UNIT * CHUNK_UNIT
    at, chunk, is_last, stored = 0, b'', False, None

    def cancel() -> None:
        # The upload would expire after a week anyway, so errors are ignored.
        with contextlib.suppress(*SDK_ERRORS):
            bucket.client.session.delete(session, timeout=bucket.config.connect_timeout_s).close()

    with undone_by(cancel):
        while stored is None:
            if not chunk and not is_last:
                chunk = source.take(chunk_bytes)
                is_last = len(chunk) < chunk_bytes
                checksum.update(chunk)
                md5.update(chunk)
            end = at + len(chunk)
            content_range = f'bytes {f"{at}-{end - 1}" if chunk else "*"}/{end if is_last else "*"}'
            headers = {'Content-Range': content_range, 'X-Goog-Hash': f'md5={md5.base64}' if is_last else None}
            with bucket.client.request('PUT', session, 200, 201, 308, data=chunk, headers=headers) as response:
                if is_last and response.status_code != 308:
                    stored = response.json()
                # The store might have kept less than was sent.
                kept = int(response.headers.get('Range', '-').rpartition('-')[2] or -1) + 1
            if stored is None and not at < kept <= end:
                raise ImplausibleResponse(f'it reports {kept} bytes of an upload of {end} bytes')
            chunk, at = chunk[kept - at :], kept
    if stored.get('md5Hash') != md5.base64:
        raise bucket.error(ChecksumMismatch, blob.name, 'the store received different content than was sent')
    # The checksum is only known now. Without permission to update objects, it is computed when it is accessed.
    blob.metadata = {CHECKSUM_KEY: str(checksum)}
    with contextlib.suppress(*SDK_ERRORS):
        blob.patch(if_generation_match=int(stored['generation']), **bucket.client.options)
