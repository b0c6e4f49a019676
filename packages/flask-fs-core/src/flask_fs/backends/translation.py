"""Translate the errors of the library behind a backend, wherever they are raised."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

from ..config import STORAGE_SETTINGS, from_mapping
from ..errors import (
    BackendError,
    FSError,
    OperationNotSupported,
    Unavailable,
)
from ..names import check
from ..settings import Setting
from .contract import (
    Capability,
    FileInfo,
)
from .response_stream import ResponseCut
from .sources import SpoolFailed

E = TypeVar('E', bound=FSError)
T = TypeVar('T')

_logger = logging.getLogger(__name__)
# The errors that helpers of drivers raise, independent of the store's library.
_OWN_ERRORS: Mapping[type[Exception], type[FSError]] = {SpoolFailed: BackendError, ResponseCut: Unavailable}


class Translation:
    """The name and settings of a backend, and the translation of its library's errors to errors of Flask-FS."""

    #: The kind of backend, as in the configuration.
    kind: ClassVar[str] = ''
    #: The capabilities of the backend. An instance can drop one that its server lacks: :meth:`drop_capability`.
    capabilities: Capability = Capability.NONE
    #: The settings that it supports in addition to those of every storage.
    settings: ClassVar[tuple[Setting, ...]] = ()
    #: The errors that the store's library raises. They can include ``OSError``.
    errors: ClassVar[tuple[type[Exception], ...]] = ()
    #: Whether seeking in the streams of ``_open`` costs nothing. They must seek anywhere, including beyond the end, where
    #: reading returns nothing, and raise ValueError or OSError for a negative position. Otherwise, with RANGE, files are read
    #: in small ranges.
    seekable_streams: ClassVar[bool] = False
    #: The headers that the store requires for a link for PUT, in addition to those that every client sends.
    signed_put_headers: ClassVar[Mapping[str, str]] = {}
    #: How many entries a listing requests at a time.
    page_size = 1000
    #: How many files ``_remove_batch`` removes in one request; 1 if it isn't implemented.
    batch_size = 1

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.config = from_mapping(name, self.kind, config or {}, (*STORAGE_SETTINGS, *self.settings))
        # A legacy backend's own methods wouldn't add it.
        self._prefix = f'{self.config.prefix}/' if self.config.prefix and self.capabilities else ''
        self._retains = bool(self.config.retention_days)

    def _namespace_by_storage(self, setting: str) -> None:
        """Prefix all keys with the storage's name if *setting*, such as the bucket, applies to several storages.

        That is the case if it isn't set for this storage itself, as for roots and URLs.
        """
        if setting in self.config and setting not in (self.config.explicit_keys or ()):
            self._prefix = f'{self.name}/{self._prefix}'

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        """The location of this storage's files, including the key prefix; None if storages may share it.

        Two storages of one application with the same location cause a ConfigurationError.
        """
        return None

    @property
    def reserved_location(self) -> tuple[Hashable, ...] | None:
        """The location of its other data, such as parts of large files. No other storage's location may begin with this."""
        return None

    def describe_location(self) -> str:
        """A short description of the files' location for people, without secrets; empty if unknown."""
        root = getattr(self, 'root', None)
        return str(root) if isinstance(root, (str, os.PathLike)) else ''

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        """The kind of error to raise for one of ``errors``, and the reason to report, which must not contain secrets.

        :param name: The file that the error is about, or the prefix of a listing, or None.
        """
        return BackendError, str(error) or type(error).__name__

    def error(self, kind: type[E], name: str | None = None, reason: str | None = None) -> E:
        """An error of *kind* about the file *name* that includes this storage and backend."""
        # An error about a listing of everything has no filename.
        shown = (name or '').removeprefix(self._prefix) or None
        return kind(shown, storage=self.name, backend=self.kind or type(self).__name__, reason=reason)

    def unsupported(self, name: str | None, reason: str) -> OperationNotSupported:
        """The error for an operation that this backend doesn't support."""
        return self.error(OperationNotSupported, name, reason)

    def translated(self, error: Exception, name: str | None = None) -> FSError:
        """The error of Flask-FS for *error*, one of ``errors``, about the file *name*."""
        kind = next((kind for own, kind in _OWN_ERRORS.items() if isinstance(error, own)), None)
        kind, reason = self._translate(error, name) if kind is None else (kind, str(error))
        return self.error(kind, name, reason)

    def drop_capability(self, capability: Capability, reason: str | None = None) -> None:
        """Drop a capability of this backend that its server or settings don't support.

        :param reason: What was observed, for a warning in the log; None if it isn't surprising.
        """
        if reason is not None and capability & self.capabilities:
            _logger.warning('Storage %r (%s): %s', self.name, self.kind, reason)
        self.capabilities = self.capabilities & ~capability

    # --- Internal.

    def _key(self, filename: str) -> str:
        return self._prefix + check(filename)

    def _strip_prefix(self, info: FileInfo) -> FileInfo:
        return dataclasses.replace(info, name=info.name.removeprefix(self._prefix)) if self._prefix else info

    def _call_hook(self, hook: Callable[[str], T], name: str) -> T:
        """The result of *hook*, with translated errors."""
        try:
            return hook(name)
        except self._translatable as error:
            self._raise_translated(error, name or None)

    @property
    def _translatable(self) -> tuple[type[Exception], ...]:
        return (*_OWN_ERRORS, *self.errors)

    def _raise_translated(self, error: Exception, name: str | None) -> NoReturn:
        # FileExists, FileNotFound and PermissionDenied are errors of the operating system too.
        if isinstance(error, FSError):
            raise error
        raise self.translated(error, name) from (error.__cause__ if isinstance(error, SpoolFailed) else error)

    def _each(self, hook: Callable[[str], None], names: Iterable[str]) -> dict[str, FSError]:
        failures: dict[str, FSError] = {}
        left = iter(names)
        for name in left:
            try:
                self._call_hook(hook, name)
            except Unavailable as error:
                # Each further attempt would take the same time to fail.
                failures |= dict.fromkeys((name, *left), error)
            except FSError as error:
                failures[name] = error
        return failures

    def _list_hook(self, hook: Callable[[str], Iterator[T]], prefix: str) -> Iterator[T]:
        found = self._call_hook(hook, prefix)
        return self._translating(found, prefix) if self.errors else found

    def _translating(self, found: Iterator[T], prefix: str) -> Iterator[T]:
        try:
            yield from found
        except self.errors as error:
            self._raise_translated(error, prefix or None)

    def _lacks(self, hook: str) -> OperationNotSupported:
        return self.unsupported(None, f"{type(self).__name__} doesn't implement {hook}")
