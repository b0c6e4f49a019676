"""The storage, with which applications save, read, list, link and serve files."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import inspect
import io
import itertools
import os
import posixpath
import re
from collections.abc import Callable, Container, Iterable, Iterator
from types import GeneratorType
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from flask import make_response
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from . import names, signals, signing, urls
from .backends.attributes import NAMES, attributes_of
from .backends.base import BaseBackend
from .backends.contract import CHUNK_BYTES, NO_ATTRIBUTES, Attributes, Capability, FileInfo, Folder, Opened
from .backends.http import add_security_headers
from .backends.legacy import LegacyDriver
from .backends.sources import media_type_of
from .backends.streams import Mode
from .backends.writers import open_writer
from .bindings import AppBound, Binding
from .config import Config
from .errors import (
    ConfigurationError,
    DeletionFailed,
    FileExists,
    FileNotFound,
    InvalidFilename,
    OperationNotSupported,
)
from .files import DEFAULTS, bare_extension, contains, extension
from .registry import Driver
from .uploads import (
    Validator,
    check_content,
    check_sent,
    check_type,
    limited,
    position_of,
    refused_type,
    restore_position,
    validated,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .backends.attributes import GivenAttributes

__all__ = ['Authorize', 'Config', 'Storage', 'UploadTo']

#: A folder or a name, or a callable that returns one; if it takes an argument, that is the application.
UploadTo = str | Callable[..., str]
#: Whether the current request may be served a file, or the response that it gets instead.
Authorize = Callable[[str], bool | Response]

_STORAGE_NAME = re.compile(r'[A-Za-z0-9][\w.-]*', re.ASCII)


class Usage(NamedTuple):
    """How much is stored.

    :param files: The number of files.
    :param bytes: Their size together, as they are stored.
    """

    files: int
    bytes: int


class Storage(AppBound):
    """A named container of files, on whichever backend each application configures.

    One storage may serve several applications: within an application context it uses that application's configuration,
    outside of one that of the only application it was configured for.

    :param name: Letters, digits, ``_``, ``-`` and ``.``; settings begin with it, as in ``AVATARS_FS_BACKEND``.
    :param extensions: The extensions that :meth:`save` accepts: any container of lower-case ones without dots.
    :param upload_to: A folder for every file saved, or a callable that returns one.
    :param overwrite: Whether saving replaces existing files unless told otherwise.
    :param basename: The name, without extension, of uploads with a filename, or a callable that returns it; if it takes
        an argument, that is the application. A filename given to :meth:`save` wins.
    :param authorize: Called with a filename before the application serves it: true serves it, false
        responds with 403, a response is sent instead. It may be ``async``, like Flask's views. Signed links need no
        further permission.
    :param validators: Called by :meth:`save` with the open file, seekable and at the position it is read from, and its
        filename, before anything is stored; they reject it by raising :exc:`UploadNotAllowed` or a subclass.
    """

    def __init__(
        self,
        name: str = 'files',
        extensions: Container[str] = DEFAULTS,
        upload_to: UploadTo | None = None,
        overwrite: bool = False,
        *,
        basename: UploadTo | None = None,
        authorize: Authorize | None = None,
        validators: Iterable[Validator] = (),
    ) -> None:
        if not _STORAGE_NAME.fullmatch(name):
            reason = f'{name!r} cannot be the name of a storage: use letters, digits, _, - and .'
            raise ConfigurationError(reason=reason)
        super().__init__(name)
        self.extensions = extensions
        self.upload_to = upload_to
        self.overwrite = overwrite
        self.basename = basename
        self.authorize = authorize
        self.validators = tuple(validators)

    def __repr__(self) -> str:
        return f'<Storage {self.name!r}>'

    @property
    def root(self) -> str | None:
        """The folder that contains the files, or None if the backend has none."""
        return getattr(self.backend, 'root', None)

    # --- Which files are accepted, and under which name.

    def extension_allowed(self, ext: str) -> bool:
        """Whether files with the extension *ext*, without its dot, are accepted; case is ignored."""
        bound, ext = self._configured(), bare_extension(ext)
        allow, deny = ((), ()) if bound is None else (bound.config['allow'], bound.config['deny'])
        # Both settings are rare. A container may be false and still contain something.
        if allow != () and contains(allow, ext):
            return True
        return contains(self.extensions, ext) and not (deny != () and contains(deny, ext))

    def file_allowed(self, storage: FileStorage, basename: str) -> bool:
        """Whether the upload *storage* may be saved as *basename*."""
        return self.extension_allowed(extension(basename))

    def resolve_conflict(self, target_folder: str, basename: str) -> str:
        """The first available one of ``name_1.ext``, ``name_2.ext`` and so on in *target_folder*, as a basename.

        :param target_folder: A folder of the storage; if files have paths on this machine, its absolute path works too.
        """
        root = self.root
        if isinstance(root, str) and f'{target_folder}/'.startswith(f'{root}/'):
            target_folder = target_folder[len(root) :]
        folder = f'{target_folder}/' if (target_folder := names.join(target_folder)) else ''
        numbered = (names.with_suffix(folder + names.join(basename), f'_{number}') for number in itertools.count(1))
        return next(name for name in numbered if not self.exists(name)).removeprefix(folder)

    def _named(
        self, app: Any, file: Any, filename: str | None, prefix: UploadTo | None, upload_to: UploadTo | None
    ) -> str:
        if not filename:
            if (filename := names.of_source(file)) is None:
                raise InvalidFilename(reason=f'{type(file).__name__} has no filename: pass filename= to save()')
            if basename := _given(self.basename, app):
                ext = extension(filename)
                filename = f'{basename}.{ext}' if ext else basename
        filename = names.check(filename)
        if not upload_to and not prefix:
            return filename
        return names.check(names.join(_given(upload_to, app), _given(prefix, app), filename))

    # --- Content.

    def save(
        self,
        file_or_wfs: Any,
        filename: str | None = None,
        prefix: UploadTo | None = None,
        overwrite: bool | None = None,
        *,
        upload_to: UploadTo | None = None,
        if_match: str | None = None,
        **attributes: Unpack[GivenAttributes],
    ) -> str:
        """Store a file and return the name it was stored under: ``upload_to/prefix/filename``.

        The file appears whole or not at all. It is read from its current position, in bounded memory, and not closed; a
        seekable file is left at the position that it had, so it can be saved again.

        :param file_or_wfs: An upload, an open file, anything with ``read``, or the path of a file as a path-like object.
        :param filename: Its name; by default the upload's own filename, cleaned, or the storage's ``basename`` with the
            extension of that.
        :param prefix: A folder under ``upload_to``, or a callable that returns one.
        :param overwrite: Whether to replace a file of that name; the default is that of the storage.
        :param upload_to: A folder, or a callable that returns one, instead of the storage's ``upload_to``; ``''`` for
            none.
        :param if_match: Replace only this version of the file, by its ``etag``: of all who replace it, one wins. Needs
            COMPARE_AND_SWAP.
        :param attributes: What to keep with it, given by name; needs ATTRIBUTES, or for ``mime`` alone MIME. ``mime``,
            ``cache_control``, ``content_encoding`` (how the given bytes are encoded already), ``content_language``,
            ``download_name``, and ``metadata``, text by name. See :class:`~flask_fs.backends.Attributes`.
        :raises FileExists: If there is a file of that name, and ``overwrite`` is false. The first writer wins.
        :raises Changed: If there is another version than *if_match*, or none.
        :raises OperationNotSupported: If the backend cannot keep an attribute, or compare and swap. Nothing is stored.
        :raises UnauthorizedFileType: If its extension is not allowed.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
        :raises NoFile: If a form was sent without a file.
        :raises InvalidContent: If its content contradicts its extension, such as HTML named ``a.png``, unless the setting
            ``CHECK_CONTENT`` is false.
        :raises UploadNotAllowed: If one of the storage's validators rejects it.
        :raises InvalidFilename: If no name was given or found, or the name is not valid.
        """
        bound = self._bound()
        check_sent(file_or_wfs, filename, self.name)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        name = self._named(bound.app, file_or_wfs, filename, prefix, self.upload_to if upload_to is None else upload_to)
        check_type(file_or_wfs, name, self, bound.config)
        overwrite = self._may_overwrite(overwrite)
        # A mock of a file is path-like too, and open() would use it as the number of another open file.
        if not hasattr(file_or_wfs, 'read') and isinstance(file_or_wfs, os.PathLike):
            with open(file_or_wfs, 'rb') as file:
                self._store_upload(bound, name, file, None, overwrite=overwrite, attributes=kept, if_match=if_match)
        else:
            position = position_of(file_or_wfs)
            try:
                self._store_upload(
                    bound, name, file_or_wfs, position, overwrite=overwrite, attributes=kept, if_match=if_match
                )
            finally:
                restore_position(file_or_wfs, position)
        return name

    def write(
        self,
        filename: str,
        content: Any,
        overwrite: bool = False,
        *,
        if_match: str | None = None,
        **attributes: Unpack[GivenAttributes],
    ) -> None:
        """Store text, as UTF-8, bytes, or the content of a file or upload. The application's own content may have any type.

        Anything with ``read`` is read and left as :meth:`save` does. The media type of an upload is stored with it if
        the backend supports that.

        :param if_match: Replace only this version of the file, by its ``etag``, as :meth:`save` does.
        :param attributes: What to keep with it, as :meth:`save` does.
        :raises FileExists: If there is a file of that name, and neither *overwrite* nor the storage allows replacing it.
        :raises Changed: If there is another version than *if_match*, or none.
        :raises FileTooLarge: If it is larger than ``MAX_BYTES``.
        """
        bound, name = self._bound(), names.check(filename)
        if isinstance(content, FileStorage):
            check_sent(content, name, self.name)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        overwrite = overwrite or self.overwrite
        position = position_of(content)
        try:
            source = limited(content, name, self.name, bound.config)
            info = bound.driver.write(
                name, source, overwrite, mime=media_type_of(content), attributes=kept, if_match=if_match
            )
        finally:
            restore_position(content, position)
        self._announce_saved(bound, name, info)

    def read(self, filename: str) -> bytes:
        """The whole content of a file.

        :raises FileNotFound: If there is no file of that name.
        """
        return self._bound().driver.read(names.check(filename))

    def read_range(self, filename: str, start: int, stop: int | None = None) -> bytes:
        """The bytes [start, stop) of a file, by one request; a backend with RANGE moves no others.

        :param start: Where to begin, in bytes; a negative one counts from the end, and then there is no *stop*.
        :param stop: Where to end; by default, and where it is larger, at the end of the file.
        :raises FileNotFound: If there is no file of that name.
        :raises RangeNotSatisfiable: If the file ends at *start* or before, unless that is 0.
        :raises ValueError: If *stop* is less than *start*, or given with a negative *start*.
        """
        return self._bound().driver.read_range(names.check(filename), start, stop)

    def read_chunks(
        self, filename: str, chunk_size: int = CHUNK_BYTES, *, chunks_size: int | None = None
    ) -> Iterator[bytes]:
        """The content of a file in chunks of *chunk_size* bytes; the last may be shorter.

        Closing or dropping the iterator releases its resources.

        :param chunks_size: The same as *chunk_size*, for backward compatibility.
        :raises FileNotFound: At this call, if there is no file of that name.
        """
        return self._bound().driver.read_chunks(
            names.check(filename), chunk_size if chunks_size is None else chunks_size
        )

    def open(self, filename: str, mode: str = 'r', **kwargs: Any) -> IO[Any]:
        """A file object.

        What is written is stored, whole, when the file object is closed. Leaving its ``with`` block by an exception
        stores nothing, nor does dropping it unclosed.

        :param mode: ``r`` to read, ``w`` to write or replace, ``x`` to create; with ``b`` for bytes, else text in UTF-8.
        :param kwargs: ``encoding``, ``errors`` and ``newline``, for text; for writing also attributes, as :meth:`save` has
            them.
        :raises ValueError: For any other mode: files are read or replaced whole.
        :raises FileNotFound: When reading, if there is no file of that name.
        :raises FileExists: With ``x``, if there is a file of that name: here, before anything is written, or when the file
            object is closed if it came meanwhile.
        """
        bound, name, how = self._bound(), names.check(filename), Mode(mode)
        given = {attribute: kwargs.pop(attribute) for attribute in NAMES if attribute in kwargs} if kwargs else {}
        if given and how.reads:
            raise ValueError(
                f'{", ".join(given)}: attributes are for writing; change those of a file with set_attributes()'
            )
        attributes = attributes_of(given)
        bound.driver.require_attributes(name, attributes)
        if how.reads or not isinstance(bound.driver, BaseBackend):
            return bound.driver.open(name, mode, **kwargs)
        if how.creates and bound.driver.exists(name):
            # Raised before anything is written; closing checks again, without a race.
            raise bound.driver.error(FileExists, name)

        def store(stream: IO[bytes]) -> None:
            self._store(bound, name, stream, overwrite=not how.creates, attributes=attributes)

        return open_writer(store, how, **kwargs)

    def local_file(self, filename: str) -> contextlib.AbstractContextManager[str]:
        """A path where programs on this machine can read the file: its own, or that of a temporary copy.

        :raises FileNotFound: If there is no file of that name.
        """
        return self._bound().driver.local_file(names.check(filename))

    # --- Metadata.

    def exists(self, filename: str) -> bool:
        """Whether there is a file of that name; folders do not count."""
        return self._bound().driver.exists(names.check(filename))

    def __contains__(self, filename: str) -> bool:
        return self.exists(filename)

    def stat(self, filename: str) -> FileInfo:
        """The metadata of a file, in one request to the store.

        :raises FileNotFound: If there is no file of that name.
        """
        return self._bound().driver.stat(names.check(filename))

    def metadata(self, filename: str) -> dict[str, Any]:
        """The metadata of a file: filename (without folders), url, checksum (``algorithm:hex``), mime, size and modified.

        If the backend does not store checksums, as on a local disk, accessing ``checksum`` reads the file.

        :raises FileNotFound: If there is no file of that name.
        """
        bound, name = self._bound(), names.check(filename)
        facts = bound.driver.metadata(name)
        facts['filename'] = posixpath.basename(name)
        facts['url'] = None
        # Configured without init_app, the storage has no URL, but its files have other metadata.
        with contextlib.suppress(ConfigurationError):
            facts['url'] = urls.under(self.base_url, name)
        return facts

    def list_files(self, prefix: str = '') -> Iterator[str]:
        """The name of every file that begins with the literal text *prefix*, lazily, in the order of the store."""
        return self._bound().driver.list_files(prefix)

    def scan(self, prefix: str = '') -> Iterator[FileInfo]:
        """The metadata of every file whose name begins with the literal text *prefix*, lazily."""
        return self._bound().driver.scan(prefix)

    def folder(self, prefix: str = '', *, after: str | None = None, limit: int = 1000) -> Folder:
        """One page of what is directly in a folder: its files and subfolders, by one request to the store.

        A folder exists as long as there are files under it; one that does not is empty.

        :param prefix: The folder's name, with or without a slash at the end; empty for the top.
        :param after: The ``next`` of the page before, to continue from there.
        :param limit: How many files and folders together to list at most, 1 to 1000. There may be fewer, even none, before the
            last page, whose ``next`` is None.
        """
        return self._bound().driver.folder(prefix, after=after, limit=limit)

    def usage(self, prefix: str = '') -> Usage:
        """How many files there are whose name begins with the literal text *prefix*, and how many bytes they have together.

        It is counted by listing them, as fast as the store lists.
        """
        files = size = 0
        for info in self._bound().driver.scan(prefix):
            files, size = files + 1, size + info.size
        return Usage(files, size)

    def set_attributes(self, filename: str, **attributes: Unpack[GivenAttributes]) -> None:
        """Change attributes of a file, without sending its content where the store can; those not given stay.

        :param attributes: By name, as :meth:`save` has them; None removes one. ``metadata`` replaces all of it.
        :raises FileNotFound: If there is no file of that name.
        :raises OperationNotSupported: If the backend keeps no attributes.
        """
        self._bound().driver.set_attributes(names.check(filename), attributes)

    def path(self, filename: str) -> str:
        """The absolute path of a file on this machine, whether it exists or not.

        :raises OperationNotSupported: If the backend stores files elsewhere; :meth:`local_file` works with every backend.
        """
        return self._bound().driver.path(names.check(filename))

    # --- Changes.

    def remove(self, filename: str) -> None:
        """Remove exactly one file; nothing happens if there is none.

        :raises OperationNotSupported: If the backend is a custom one whose ``delete`` would remove more than that.
        """
        bound, name = self._bound(), names.check(filename)
        doomed = []
        if signals.file_deleted.has_receivers_for(self):
            with contextlib.suppress(FileNotFound):
                doomed.append(bound.driver.stat(name))
        bound.driver.remove(name)
        for info in doomed:
            signals.file_deleted.send(self, info=info)

    def delete_many(self, filenames: Iterable[str]) -> None:
        """Remove exactly these files, by as few requests as the store allows; those that are not there are removed already.

        :raises DeletionFailed: If some are still there; its ``failures`` has the error of each by name.
        :raises InvalidFilename: If one of the names is not valid; then none is removed.
        """
        bound, doomed = self._bound(), [names.check(filename) for filename in filenames]
        infos: list[FileInfo] = []
        if signals.file_deleted.has_receivers_for(self):
            for name in dict.fromkeys(doomed):
                with contextlib.suppress(FileNotFound):
                    infos.append(bound.driver.stat(name))
        failures = bound.driver.remove_many(doomed)
        for info in infos:
            if info.name not in failures:
                signals.file_deleted.send(self, info=info)
        if failures:
            first = next(iter(failures))
            reason = f'{len(failures)} of {len(doomed)} files are still there, the first because of: {failures[first]}'
            error = DeletionFailed(first, storage=self.name, backend=bound.kind, reason=reason)
            error.failures = failures
            raise error

    def delete(self, filename: str) -> None:
        """Remove a file **and every file under** ``filename/``; nothing happens if there is none.

        If names come from users, ``delete('a')`` may remove ``a/b`` of another user: :meth:`remove` does not.
        """
        bound, name = self._bound(), names.check(filename)
        if not signals.file_deleted.has_receivers_for(self):
            bound.driver.delete(name)
            return
        doomed = list(bound.driver.scan(f'{name}/'))
        with contextlib.suppress(FileNotFound):
            doomed.insert(0, bound.driver.stat(name))
        bound.driver.delete(name)
        for info in doomed:
            signals.file_deleted.send(self, info=info)

    def copy(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Copy a file within the storage.

        :raises FileNotFound: If there is no file of that name.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), names.check(filename), names.check(target)
        bound.driver.copy(name, new, overwrite=self._may_overwrite(overwrite))
        self._announce_saved(bound, new)

    def move(self, filename: str, target: str, *, overwrite: bool | None = None) -> None:
        """Rename a file within the storage.

        :raises FileNotFound: If there is no file of that name.
        :raises FileExists: If *target* exists, and neither *overwrite* nor the storage allows replacing it.
        """
        bound, name, new = self._bound(), names.check(filename), names.check(target)
        bound.driver.move(name, new, overwrite=self._may_overwrite(overwrite))
        if signals.file_moved.has_receivers_for(self):
            signals.file_moved.send(self, info=bound.driver.stat(new), source=name)

    def transfer(
        self,
        filename: str,
        other_storage: Storage,
        target: str | None = None,
        *,
        overwrite: bool | None = None,
        attributes: bool = True,
    ) -> str:
        """Copy a file with its attributes to another storage, in bounded memory, and return its name there.

        :param target: Its new name; by default the same one.
        :param overwrite: Whether to replace a file of that name; the default is that of the other storage.
        :param attributes: Whether its attributes go with it; false leaves behind what the other backend may not keep.
        :raises FileNotFound: If there is no file of that name here.
        :raises FileExists: If there is a file of that name there, and *overwrite* is false.
        :raises OperationNotSupported: If the other backend cannot keep its attributes. Nothing is stored.
        """
        bound, other = self._bound(), other_storage._bound()
        name, new = names.check(filename), names.check(filename if target is None else target)
        opened = bound.driver.open_whole(name)
        with opened.stream as stream:
            kept = _kept(opened, bound.driver, other.driver) if attributes else NO_ATTRIBUTES
            other_storage._store(other, new, stream, overwrite=other_storage._may_overwrite(overwrite), attributes=kept)
        return new

    def _may_overwrite(self, overwrite: bool | None) -> bool:
        return self.overwrite if overwrite is None else overwrite

    def _store_upload(self, bound: Binding, name: str, file: Any, position: Any, **how: Any) -> None:
        if bound.config['check_content']:
            file = check_content(file, name, self.name, position=position)
        if not self.validators:
            self._store(bound, name, file, **how)
            return
        with validated(limited(file, name, self.name, bound.config), name, self.validators, self.name) as file:
            self._store(bound, name, file, **how)

    def _store(
        self,
        bound: Binding,
        name: str,
        file: Any,
        *,
        overwrite: bool,
        mime: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        if_match: str | None = None,
    ) -> None:
        file = limited(file, name, self.name, bound.config)
        info = bound.driver.save(file, name, overwrite, mime=mime, attributes=attributes, if_match=if_match)
        self._announce_saved(bound, name, info)

    def _announce_saved(self, bound: Binding, name: str, info: Any = None) -> None:
        if signals.file_saved.has_receivers_for(self):
            signals.file_saved.send(self, info=info if isinstance(info, FileInfo) else bound.driver.stat(name))

    # --- URLs and serving.

    @property
    def has_url(self) -> bool:
        """Whether a web server outside the application serves the files (the setting ``URL``)."""
        return bool(self.config.get('url'))

    @property
    def base_url(self) -> str:
        """The URL under which the files are found, with a trailing slash."""
        bound = self._bound()
        return urls.configured_base(bound.app, bound.config) or urls.base_url(bound.app, self.name)

    def url(self, filename: str, external: bool = False) -> str:
        """The URL of a file, whether it exists or not, quoted; a leading slash in *filename* is dropped.

        :param external: A full URL, with scheme and host, even if the application serves the file.
        """
        bound, name = self._bound(), names.check(filename.removeprefix('/'))
        if base := urls.configured_base(bound.app, bound.config):
            return urls.under(base, name)
        return urls.app_url(bound.app, self.name, name, external=external)

    def signed_url(
        self,
        filename: str,
        *,
        expires_s: int | datetime.timedelta = 3600,
        method: str = 'GET',
        download_name: str | None = None,
    ) -> str:
        """A full URL that lets anyone read a file, whether it exists or not, or store one, until it expires.

        If the store does not sign links itself, the application does, with its ``SECRET_KEY``; it responds to them even
        if ``FS_SERVE`` is false, and without calling ``authorize``.

        :param expires_s: Lifetime in whole seconds, 1 to 604800 (seven days, the most that S3 signs for), or as a
            :class:`~datetime.timedelta`. A link signed by the application lives up to a quarter longer: until then, further
            links to the file are the same, which caches need.
        :param method: ``GET`` (for links signed by the application, HEAD as well), ``HEAD``, or ``PUT``, which stores
            the body of one request and replaces what is there. The store ignores ``MAX_BYTES`` and ``overwrite``.
        :param download_name: Makes browsers save the file, under this name.
        :raises OperationNotSupported: With ``PUT``, if the store does not sign links itself.
        :raises UnauthorizedFileType: With ``PUT``, if the storage does not accept the file's extension.
        :raises ConfigurationError: If the application signs and has no ``SECRET_KEY``, or no ``SERVER_NAME`` outside of
            a request.
        """
        bound, name = self._bound(), names.check(filename)
        if method not in ('GET', 'HEAD', 'PUT'):
            raise ValueError(f"method must be 'GET', 'HEAD' or 'PUT', not {method!r}")
        lifetime_s = signing.whole_seconds(expires_s)
        signing.check_download_name(download_name)
        if method == 'PUT':
            if download_name is not None:
                raise ValueError('download_name is for links for reading, not for PUT')
            if not self.extension_allowed(extension(name)):
                raise refused_type(name, self, bound.config)
        if Capability.SIGNED_URL in bound.driver.capabilities:
            return bound.driver.signed_url(name, expires_s=lifetime_s, method=method, download_name=download_name)
        if method == 'PUT':
            reason = 'its store does not sign links, and the application signs links for reading only'
            raise OperationNotSupported(name, storage=self.name, reason=reason)
        link = signing.SignedLink(self.name, name, method, signing.expiry(lifetime_s), download_name)
        signature = {signing.PARAMETER: signing.sign(bound.app, link)}
        return urls.app_url(bound.app, self.name, name, external=True, **signature)

    def serve(self, filename: str, *, download_name: str | None = None, private: bool = False) -> Any:
        """The response to the current request for a file: conditional requests, ranges and streaming included.

        :param download_name: Makes browsers save the file, under this name.
        :param private: Whether the response depends on the visitor, so that shared caches must not store it.
        :raises FileNotFound: If there is no file of that name.
        """
        bound = self._bound()
        served = bound.driver.serve(names.check(filename))
        if not isinstance(served, (Response, str, bytes, bytearray, tuple, list, dict, GeneratorType, io.IOBase)):
            # The result of a test double is returned unchanged.
            return served
        response = make_response(served)
        # What was stored with the file wins; a legacy backend's own response has no such thing.
        stored = response.headers.get('Cache-Control') if Capability.ATTRIBUTES in bound.driver.capabilities else None
        cache_control = stored or bound.config.get('cache_control')
        return add_security_headers(response, cache_control=cache_control, private=private, download_name=download_name)


def _given(given: UploadTo | None, app: Any) -> str:
    if not callable(given):
        return given or ''
    return given(app) if inspect.signature(given).parameters else given()


def _kept(opened: Opened, source: Driver, target: Driver) -> Attributes:
    """The attributes with which a file from *source* is stored in *target*: a type by itself only where that keeps types."""
    if isinstance(source, LegacyDriver):
        # Its metadata may be expensive, and says no more than the type.
        can_keep = Capability.MIME in target.capabilities
        return Attributes(mime=opened.info.given_mime) if can_keep else NO_ATTRIBUTES
    attributes = opened.info.attributes
    if not target.capabilities & (Capability.MIME | Capability.ATTRIBUTES):
        attributes = dataclasses.replace(attributes, mime=None)
    return attributes
