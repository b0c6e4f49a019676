"""Uploads that clients send straight to where the files are kept: tickets for them, and accepting what has arrived."""

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

# The names of pieces have a place in the file, of a limited length.
_MAX_BYTES = 2**63 - 1


class Receiving(Undeleting):
    """The verbs about uploads that do not pass through the code of the application.

    What a client sends arrives under a hidden name that no verb lists, reads or serves. It becomes a file when the
    application accepts it; ``flask fs sweep`` removes what nobody has accepted within a day.
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
        """A ticket with which a client, such as a browser, sends one file: to the store itself where that has SIGNED_UPLOAD, else to the application.

        Nothing is stored under *filename* before :meth:`accept_upload` is called with the ticket's token. That checks what has
        arrived; what the store can enforce is refused earlier. A request is sent to the store only if
        nothing is known about it yet: to create a container that is missing, or to ask what it supports.

        :param filename: The name that the file is to have; whether it is taken does not matter yet.
        :param size: Its exact length in bytes, if the client knows it.
        :param max_bytes: Its maximum length; ``MAX_BYTES`` of the storage holds too.
        :param mime: The media type that it is sent and stored with. Without one it is stored with the type that *filename*
            suggests, whatever the client says.
        :param checksum: ``sha256:`` and 64 hexadecimal digits, of the content.
        :param expires_s: How long it can be sent, in whole seconds, 1 to 604800, or as a :class:`~datetime.timedelta`. It can
            be accepted until a day later, but no longer than ``flask fs sweep`` keeps it.
        :param user: Who may have it accepted, as any text that identifies a user; by default whoever has the token.
        :raises UnauthorizedFileType: If the storage does not accept the extension of *filename*.
        :raises FileTooLarge: If *size* is more than *max_bytes* or ``MAX_BYTES``.
        :raises ValueError: If *size*, *max_bytes*, *mime*, *checksum* or *expires_s* is not valid.
        :raises ConfigurationError: If the application has no ``SECRET_KEY``, or is to receive the file itself and has no
            ``SERVER_NAME`` outside of a request.
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
        """Make a file of an upload that has arrived, once it is what was promised, and return its name.

        Its length, type and checksum, its content and the storage's validators are checked as by :meth:`save`; what is
        rejected is not stored, and stays until it is swept. The file is created inside the store, without a copy through the
        application.

        An upload is accepted once: what a client sends again with the same ticket is not. Only where that could not be noted,
        because the process died or the store was away right then, can what has arrived be accepted once more, until it is
        swept: with ``conflict='rename'`` it becomes a second file.

        :param token: That of the ticket, as the client has handed it in.
        :param filename: The name of the file; by default the one that the ticket is for.
        :param conflict: What to do if there is a file of that name: ``'error'``, ``'replace'`` or ``'rename'``, as in
            :meth:`save`; by default ``overwrite`` of the storage decides.
        :param user: For whom the ticket was made, if it was for one.
        :raises InvalidToken: If the token was altered, has expired, or is for another storage, folder or user.
        :raises NoFile: If nothing has arrived, or it was accepted before.
        :raises FileExists: If there is a file of that name, and neither *conflict* nor the storage says what else to do.
        :raises UploadNotAllowed: If it is not what the ticket or the storage allows: FileTooLarge, InvalidContent,
            UnauthorizedFileType, or what a validator raises.
        """
        with self._arrived(token, user, alone=conflict == 'rename' or filename is not None) as upload:
            name = str(upload.filename).removeprefix(self._folder) if filename is None else filename
            return self._save_arrived(upload, name, conflict)

    def _save_arrived(self, upload: ArrivedUpload, name: str, conflict: Conflict | None) -> str:
        # Not an override of save(), which may have the documented parameters only.
        return super().save(upload, name, conflict=conflict, upload_to='')

    @contextlib.contextmanager
    def _arrived(self, token: str, user: str | None = None, *, alone: bool = True) -> Generator[ArrivedUpload]:
        """An upload that has arrived, to be saved like one that a form has sent; gone after the ``with`` block.

        :param alone: Whether nobody else may accept it meanwhile: needed where two who do might find a name each.
        """
        bound = self._bound()
        upload = self._upload_of(bound, token, user)
        incoming = Incoming(self._receiving_driver(bound), upload.upload_id)
        with incoming.claimed() if alone else contextlib.nullcontext():
            arrived = ArrivedUpload(incoming, upload)
            try:
                yield arrived
            except (FileNotFound, Replaced) as error:
                # Another process has accepted or swept it while it was read.
                if not (error.filename or '').startswith(INCOMING_PREFIX):
                    raise
                raise arrived.missing() from error
            finally:
                arrived.close()
            # It is a file now, whatever becomes of the rest, which sweeping removes.
            with contextlib.suppress(FSError):
                arrived.end('')

    # --- Parts.

    def _announced(
        self,
        filename: str,
        size: int | None,
        max_bytes: int | None,
        mime: str | None,
        checksum: str | None,
        expires_s: int | datetime.timedelta,
    ) -> Upload:
        """A new upload, if the storage may have it: see :meth:`signed_upload`."""
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
        """The request that sends *upload*, or the piece of it that begins at byte *start*."""
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
                # A driver that finds out that its store accepts none drops the capability.
                if size is not None and Capability.SIGNED_UPLOAD in bound.driver.capabilities:
                    raise
        piece = {} if start is None else {tickets.START: str(start)}
        url = urls.upload_url(bound.app, self.name, tickets.address_of(bound.app, upload), **piece)
        return SignedRequest('PUT', url, {'Content-Type': upload.mime} if upload.mime else {})

    def _receiving_driver(self, bound: Binding) -> BaseBackend:
        if not isinstance(bound.driver, BaseBackend) or not bound.driver.capabilities:
            reason = 'its backend has no hidden names for uploads that are not accepted yet'
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
