"""Presigned requests that clients send directly to the store. The store refuses requests that differ from them."""

from __future__ import annotations

from typing import Any

from flask_fs.backends import SignedRequest
from flask_fs.errors import FileTooLarge

from .bodies import hash_parameter
from .bucket import Bucket
from .settings import MAX_PART_BYTES

#: The configured parameters without which a store can refuse a request. The others only apply to stored files.
_REQUIRED = (
    'BucketKeyEnabled', 'ExpectedBucketOwner', 'RequestPayer', 'SSEKMSEncryptionContext', 'SSEKMSKeyId',
    'ServerSideEncryption',
)  # fmt: skip
#: The operation of each request of the multipart API, by its method and whether it has an upload ID.
_OPERATIONS = {
    ('POST', False): 'create_multipart_upload',
    ('PUT', True): 'upload_part',
    ('GET', True): 'list_parts',
    ('POST', True): 'complete_multipart_upload',
    ('DELETE', True): 'abort_multipart_upload',
}


def signed_upload(
    bucket: Bucket,
    key: str,
    *,
    size: int | None,
    max_bytes: int | None,
    mime: str | None,
    checksum: str | None,
    expires_s: int,
) -> SignedRequest:
    """A request that stores the object *key*: a PUT if the size is known, otherwise a form with a maximum size.

    :raises FileTooLarge: If the size exceeds what S3 stores in one request.
    """
    parameters = _given(ContentType=mime) | hash_parameter(checksum or '') | _required(bucket)
    if size is None:
        limit = MAX_PART_BYTES if max_bytes is None else min(max_bytes, MAX_PART_BYTES)
        return _form(bucket, key, parameters, limit, expires_s)
    if size > MAX_PART_BYTES:
        reason = f'S3 stores at most {MAX_PART_BYTES} bytes in one request; upload the file in pieces or parts'
        raise bucket.error(FileTooLarge, None, reason)
    conditions = {'ContentLength': size, 'IfNoneMatch': '*'}
    return _signed(bucket, 'PUT', 'put_object', key, conditions | parameters, expires_s)


def signed_part(
    bucket: Bucket,
    key: str,
    *,
    method: str,
    upload_id: str | None,
    part_number: int | None,
    mime: str | None,
    expires_s: int,
) -> SignedRequest:
    """A request of the multipart upload of the object *key*.

    :raises ValueError: If no such request exists.
    """
    operation = _OPERATIONS.get((method, upload_id is not None))
    if operation is None or upload_id == '' or (operation == 'upload_part') != (part_number is not None):
        raise ValueError(
            f'S3 has no {method!r} request {"with" if upload_id else "without"} an upload ID'
            f'{"" if part_number is None else " and with a part number"}'
        )
    parameters = _given(UploadId=upload_id, PartNumber=part_number)
    if operation == 'create_multipart_upload':
        parameters |= _given(ContentType=mime) | _required(bucket)
    elif operation == 'complete_multipart_upload' and bucket.conditional:
        parameters['IfNoneMatch'] = '*'
    return _signed(bucket, method, operation, key, parameters, expires_s)


def _signed(
    bucket: Bucket, method: str, operation: str, key: str, parameters: dict[str, Any], expires_s: int
) -> SignedRequest:
    client = bucket.signing_client
    url = client.generate_presigned_url(operation, Params={**bucket.at(key), **parameters}, ExpiresIn=expires_s)
    headers = _headers(client, operation, parameters)
    # It is also signed, but browsers do not allow pages to set it.
    headers.pop('Content-Length', None)
    return SignedRequest(method, url, headers)


def _form(bucket: Bucket, key: str, parameters: dict[str, Any], max_bytes: int, expires_s: int) -> SignedRequest:
    client = bucket.signing_client
    fields = _headers(client, 'put_object', parameters)
    form = client.generate_presigned_post(
        bucket.name,
        key,
        Fields=dict(fields),
        Conditions=[*({name: value} for name, value in fields.items()), ['content-length-range', 0, max_bytes]],
        ExpiresIn=expires_s,
    )
    return SignedRequest('POST', form['url'], {}, form['fields'])


def _headers(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, str]:
    """The headers that send *parameters* to an operation."""
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    headers = {}
    for parameter, value in parameters.items():
        where = model.input_shape.members[parameter].serialization
        if where['location'] == 'header':
            headers[where['name']] = str(value).lower() if isinstance(value, bool) else str(value)
    return headers


def _required(bucket: Bucket) -> dict[str, Any]:
    return {name: value for name, value in bucket.config.object_parameters.items() if name in _REQUIRED}


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}
