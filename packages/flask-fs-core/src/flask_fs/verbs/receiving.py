"""Uploads that clients send straight to where the files are kept: tickets for them, and accepting what has arrived."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from collections.abc import Generator, Sequence
from typing import IO, Any, NoReturn

from werkzeug.datastructures import FileStorage

from .. import signing, tickets, urls
from ..backends.attributes import attributes_of
from ..backends.base import BaseBackend
from ..backends.contract import Attributes, Capability, FileInfo
from ..backends.incoming import Incoming, new_id
from ..backends.streams import chunks_of
from ..bindings import Binding
from ..errors import (
    FileExists,
    FileNotFound,
    FileTooLarge,
    FSError,
    InvalidContent,
    InvalidToken,
    NoFile,
    OperationNotSupported,
    Replaced,
)
from ..files import mime_type
from ..tickets import Upload, UploadTicket
from ..uploads import check_content, check_type, validate
from .conflicts import AvailableName, Conflict, replaces
from .undeleting import Undeleting


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
        arrived; what the store can enforce is refused earlier. No request is sent to the store.

        :param filename: The name that the file is to have; whether it is taken does not matter yet.
        :param size: Its exact length in bytes, if the client knows it.
        :param max_bytes: Its maximum length; ``MAX_BYTES`` of the storage holds too.
        :param mime: The media type that it is sent and stored with. Without one it is stored with the type that *filename*
            suggests, whatever the client says.
        :param checksum: ``sha256:`` and 64 hexadecimal digits, of the content.
        :param expires_s: How long it can be sent, in whole seconds, 1 to 604800, or as a :class:`~datetime.timedelta`. It can
            be accepted for another day.
        :param user: Who may have it accepted, as any text that identifies a user; by default whoever has the token.
        :raises UnauthorizedFileType: If the storage does not accept the extension of *filename*.
        :raises FileTooLarge: If *size* is more than *max_bytes* or ``MAX_BYTES``.
        :raises ValueError: If *size*, *max_bytes*, *mime*, *checksum* or *expires_s* is not valid.
        :raises ConfigurationError: If the application has no ``SECRET_KEY``, or is to receive the file itself and has no
            ``SERVER_NAME`` outside of a request.
        """
        bound, name = self._bound(), self._whole_name(filename)
        lifetime_s = signing.whole_seconds(expires_s)
        driver = self._receiving_driver(bound)
        self._check_type(bound, name, mime)
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
        return self._ticket(bound, driver, upload, tickets.token_of(bound.app, upload, user))

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
        bound = self._bound()
        upload = self._upload_of(bound, token, user)
        name = upload.filename if filename is None else self._whole_name(filename)
        overwrite = self._may_overwrite(replaces(conflict, None, None))
        self._check_type(bound, name, upload.mime)
        with contextlib.ExitStack() as stack:
            incoming = Incoming(self._receiving_driver(bound), upload.upload_id)
            search = None
            if conflict == 'rename':
                search = AvailableName(self, name.removeprefix(self._folder))
                # Two who accept it at once would find a name each.
                stack.enter_context(incoming.claimed())
            pieces = self._checked(bound, incoming, upload, name)
            self._announce_saving(name)
            attributes = Attributes(mime=upload.mime if upload.mime and upload.mime != mime_type(name) else None)
            while True:
                try:
                    incoming.create(pieces, name, create=not overwrite, attributes=attributes)
                    break
                except FileExists as taken:
                    if search is None:
                        raise
                    name = self._next_name(bound, _announced(name, upload.mime), search, taken)
                except (FileNotFound, Replaced) as error:
                    raise self._not_arrived(upload) from error
            incoming.discard()
        self._announce_saved(bound, name)
        return name.removeprefix(self._folder)

    @contextlib.contextmanager
    def _arrived(self, token: str, user: str | None = None) -> Generator[FileStorage]:
        """An upload that has arrived, checked, to be saved like one that a form has sent; gone after the ``with`` block."""
        bound = self._bound()
        upload = self._upload_of(bound, token, user)
        incoming = Incoming(self._receiving_driver(bound), upload.upload_id)
        with incoming.claimed():
            pieces = self._checked(bound, incoming, upload, upload.filename)
            with incoming.open(pieces) as file:
                yield FileStorage(file, upload.filename.removeprefix(self._folder), content_type=upload.mime)
            incoming.discard()

    # --- Parts.

    def _ticket(self, bound: Binding, driver: BaseBackend, upload: Upload, token: str) -> UploadTicket:
        if Capability.SIGNED_UPLOAD in driver.capabilities:
            request = Incoming(driver, upload.upload_id).signed_request(
                size=upload.size,
                max_bytes=upload.max_bytes,
                mime=upload.mime,
                checksum=upload.checksum,
                expires_s=upload.expires - int(time.time()),
            )
            return UploadTicket(request.method, request.url, token, request.headers, request.fields)
        url = urls.upload_url(bound.app, self.name, tickets.address_of(bound.app, upload))
        return UploadTicket('PUT', url, token, {'Content-Type': upload.mime} if upload.mime else {})

    def _check_type(self, bound: Binding, name: str, mime: str | None) -> None:
        check_type(_announced(name, mime), name, self, bound.config)

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

    def _not_arrived(self, upload: Upload) -> NoFile:
        return NoFile(upload.filename, storage=self.name, reason='nothing has arrived, or it was accepted before')

    def _checked(self, bound: Binding, incoming: Incoming, upload: Upload, name: str) -> Sequence[FileInfo]:
        """The pieces of an upload, once they are what the storage may have under *name*."""
        if not (pieces := incoming.pieces()):
            raise self._not_arrived(upload)
        size = sum(piece.size for piece in pieces)
        if upload.max_bytes is not None and size > upload.max_bytes:
            self._reject(FileTooLarge, name, f'{size} bytes have arrived, and at most {upload.max_bytes} are allowed')
        if upload.size not in (None, size):
            self._reject(InvalidContent, name, f'{size} bytes have arrived, and {upload.size} were announced')
        for piece in pieces:
            if upload.mime is not None and piece.given_mime not in (None, upload.mime):
                self._reject(InvalidContent, name, f'it was sent as {piece.mime}, and announced as {upload.mime}')
        with incoming.open(pieces) as file:
            if upload.checksum is not None:
                self._compare(incoming, pieces, file, upload.checksum, name)
            if bound.config['check_content']:
                check_content(file, name, self.name, position=0)
            validate(file, name, self.validators, self.name)
        return pieces

    def _compare(
        self, incoming: Incoming, pieces: Sequence[FileInfo], file: IO[bytes], checksum: str, name: str
    ) -> None:
        if len(pieces) == 1 and (pieces[0].checksum or incoming.stat(pieces[0]).checksum) == checksum:
            return
        digest = hashlib.sha256()
        for chunk in chunks_of(file):
            digest.update(chunk)
        file.seek(0)
        if (seen := f'sha256:{digest.hexdigest()}') != checksum:
            self._reject(InvalidContent, name, f'{seen} has arrived, and {checksum} was announced')

    def _reject(self, kind: type[FSError], name: str, reason: str) -> NoReturn:
        raise kind(name, storage=self.name, reason=reason)


def _announced(name: str, mime: str | None) -> FileStorage:
    """What a storage's ``file_allowed`` gets of a file that is still to come."""
    return FileStorage(filename=name, content_type=mime)


def _count(parameter: str, value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f'{parameter} must be a number of bytes, 0 or more, or None, not {value!r}')
    number: int | None = value
    return number


def _smallest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
