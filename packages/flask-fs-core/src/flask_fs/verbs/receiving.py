"""Direct uploads: tickets for clients that upload to the store, and accepting received uploads."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Generator
from typing import Any

from werkzeug.datastructures import FileStorage

from .. import signing, tickets, urls
from ..arrivals import ArrivedUpload
from ..backends.attributes import attributes_of
from ..backends.base import BaseBackend
from ..backends.contract import Capability, SignedRequest
from ..backends.incoming import Incoming, new_id
from ..bindings import Binding
from ..errors import FileNotFound, FileTooLarge, FSError, InvalidToken, OperationNotSupported, Replaced
from ..names import INCOMING_PREFIX
from ..tickets import Upload, UploadTicket
from ..upload_checks import check_type
from .conflicts import Conflict
from .undeleting import Undeleting

# The names of pieces contain their offset, with a limited number of digits.
_MAX_BYTES = 2**63 - 1


class Receiving(Undeleting):
    """The methods for uploads that bypass the application's code.

    The client's content is stored under a hidden name that no method lists, reads or serves. It becomes a file when the
    application accepts it. ``flask fs sweep`` removes uploads that aren't accepted within a day.
    """

    def signed_upload(
        self,
        filename: str,
        *,
        size: int | None = None,
        max_bytes: int | None = None,
        mime: str | None = None,
        checksum: str | None = None,
        expires_s: int | datetime.timedelta = 900,
        user: str | None = None,
    ) -> UploadTicket:
        """A ticket with which a client, such as a browser, uploads one file.

        The client sends the file directly to the store if that has SIGNED_UPLOAD, and otherwise to the application. Nothing is
        stored under *filename* until you call :meth:`accept_upload` with the ticket's token, which checks the received content.
        Limits that the store can enforce are enforced during the upload. This method sends a request to the store only if
        its state is unknown: to create a missing container, or to find out what it supports.

        :param filename: The name of the future file. A file with that name can already exist.
        :param size: Its exact size in bytes, if the client knows it.
        :param max_bytes: Its maximum size. The storage's ``MAX_BYTES`` applies too.
        :param mime: The media type to send and store it with. Default: it is stored with the type that *filename* suggests,
            whatever type the client sends.
        :param checksum: The checksum of the content: ``sha256:`` and 64 hexadecimal digits.
        :param expires_s: How long the client can send it, in whole seconds, 1 to 604800, or as a :class:`~datetime.timedelta`.
            You can accept it for another day, but no longer than ``flask fs sweep`` keeps it.
        :param user: The user who can have it accepted, as any identifying text. Default: whoever has the token.
        :raises UnauthorizedFileType: If the storage does not accept the extension of *filename*.
        :raises FileTooLarge: If *size* is more than *max_bytes* or ``MAX_BYTES``.
        :raises ValueError: If *size*, *max_bytes*, *mime*, *checksum* or *expires_s* is not valid.
        :raises ConfigurationError: If the application has no ``SECRET_KEY``; or, outside of a request, no ``SERVER_NAME``
            although it has to receive the file itself.
        """
        bound = self._bound()
        upload = self._announced(filename, size, max_bytes, mime, checksum, expires_s)
        request = self._request_for(bound, upload)
        token = tickets.token_of(bound.app, upload, user)
        return UploadTicket(request.method, request.url, token, request.headers, request.fields)

    def accept_upload(
        self,
        token: str,
        *,
        filename: str | None = None,
        conflict: Conflict | None = None,
        user: str | None = None,
    ) -> str:
        """Check a received upload, make it a file, and return its name.

        This checks the upload's size, type and checksum, and its content, as :meth:`save` does, and calls the storage's
        validators. A rejected upload doesn't become a file, and stays until it is swept. The file is created inside the store,
        without a copy through the application.

        An upload is accepted only once: content that a client sends again with the same ticket is not accepted. In one case the
        received content can be accepted again until it is swept: if the acceptance could not be recorded, because the process
        died or the store was unavailable at that moment. With ``conflict='rename'`` it then becomes a second file.

        :param token: The ticket's token, as the client sent it.
        :param filename: The name of the file. Default: the name in the ticket.
        :param conflict: What to do if a file with that name exists: ``'error'``, ``'replace'`` or ``'rename'``, as in
            :meth:`save`. Default: the storage's ``overwrite`` decides.
        :param user: The user that the ticket was made for, if any.
        :raises InvalidToken: If the token was altered, has expired, or is for another storage, folder or user.
        :raises NoFile: If no content arrived, or the upload was already accepted.
        :raises FileExists: If a file with that name exists, unless *conflict* or the storage says to replace or rename.
        :raises UploadNotAllowed: If the ticket or the storage does not allow it: FileTooLarge, InvalidContent,
            UnauthorizedFileType, or the error of a validator.
        """
        with self._arrived(token, user, alone=conflict == 'rename' or filename is not None) as upload:
            name = str(upload.filename).removeprefix(self._folder) if filename is None else filename
            return self._save_arrived(upload, name, conflict)

    def _save_arrived(self, upload: ArrivedUpload, name: str, conflict: Conflict | None) -> str:
        # Not an override of save(): a subclass might override that with the documented parameters only.
        return super().save(upload, name, conflict=conflict, upload_to='')

    @contextlib.contextmanager
    def _arrived(self, token: str, user: str | None = None, *, alone: bool = True) -> Generator[ArrivedUpload]:
        """A received upload, to be saved like an upload from a form. It is removed after the ``with`` block.

        :param alone: Whether to prevent others from accepting it at the same time: necessary if two of them could store it
            under different names.
        """
        bound = self._bound()
        upload = self._upload_of(bound, token, user)
        incoming = Incoming(self._receiving_driver(bound), upload.upload_id)
        with incoming.claimed() if alone else contextlib.nullcontext():
            arrived = ArrivedUpload(incoming, upload)
            try:
                yield arrived
            except (FileNotFound, Replaced) as error:
                # Another process accepted or swept it while it was being read.
                if not (error.filename or '').startswith(INCOMING_PREFIX):
                    raise
                raise arrived.missing() from error
            finally:
                arrived.close()
            # It is a file now. If cleaning up fails, sweeping removes the rest.
            with contextlib.suppress(FSError):
                arrived.end('')

    # --- Helpers.

    def _announced(
        self,
        filename: str,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int | datetime.timedelta,
    ) -> Upload:
        """A new upload, if the storage allows it: see :meth:`signed_upload`."""
        bound, name = self._bound(), self._whole_name(filename)
        lifetime_s = signing.whole_seconds(expires_s)
        self._receiving_driver(bound)
        check_type(FileStorage(filename=name, content_type=mime), name, self, bound.config)
        upload = Upload(
            storage=self.name,
            filename=name,
            upload_id=new_id(),
            expires=int(time.time()) + lifetime_s,
            size=_count('size', size),
            max_bytes=_smallest(_count('max_bytes', max_bytes), bound.config.get('max_bytes')),
            mime=attributes_of({'mime': mime}).mime,
            checksum=tickets.check_checksum(checksum),
        )
        if size is not None and upload.max_bytes is not None and size > upload.max_bytes:
            raise FileTooLarge(name, storage=self.name, reason=f'at most {upload.max_bytes} bytes are allowed')
        return upload

    def _request_for(self, bound: Binding, upload: Upload, start: int | None = None) -> SignedRequest:
        """The request that sends *upload*, or its piece that begins at byte *start*."""
        size = upload.size if start is None else upload.piece_size(start)
        if Capability.SIGNED_UPLOAD in bound.driver.capabilities:
            try:
                return Incoming(self._receiving_driver(bound), upload.upload_id).signed_request(
                    start or 0,
                    size=size,
                    max_bytes=upload.max_bytes,
                    mime=upload.mime,
                    checksum=upload.checksum if size == upload.size else None,
                    expires_s=upload.expires - int(time.time()),
                )
            except OperationNotSupported:
                # If a driver finds out that its store doesn't support signed uploads, it drops the capability.
                if size is not None and Capability.SIGNED_UPLOAD in bound.driver.capabilities:
                    raise
        piece = {} if start is None else {tickets.START: str(start)}
        url = urls.upload_url(bound.app, self.name, tickets.address_of(bound.app, upload), **piece)
        return SignedRequest('PUT', url, {'Content-Type': upload.mime} if upload.mime else {})

    def _receiving_driver(self, bound: Binding) -> BaseBackend:
        if not isinstance(bound.driver, BaseBackend) or not bound.driver.capabilities:
            reason = 'its backend cannot store uploads under hidden names until they are accepted'
            raise OperationNotSupported(storage=self.name, reason=reason)
        return bound.driver

    def _upload_of(self, bound: Binding, token: str, user: str | None) -> Upload:
        upload = tickets.upload_of(bound.app, token, user)
        if upload is None:
            raise self._invalid('it was altered, is not from this application, or is for another user')
        if upload.storage != self.name:
            raise self._invalid('it is for another storage')
        if not upload.filename.startswith(self._folder):
            raise self._invalid('it is for another folder')
        if not upload.can_be_accepted:
            raise self._invalid('it has expired')
        return upload

    def _invalid(self, reason: str) -> InvalidToken:
        return InvalidToken(storage=self.name, reason=f'the token is not valid: {reason}')


def _count(parameter: str, value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value <= _MAX_BYTES):
        raise ValueError(f'{parameter} must be a number of bytes, from 0 to {_MAX_BYTES}, or None')
    number: int | None = value
    return number


def _smallest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
