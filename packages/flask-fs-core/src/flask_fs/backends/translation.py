"""Errors of the library behind a backend, translated wherever they come from."""

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
# What helpers of drivers raise, whatever the library of the store does.
_OWN_ERRORS: Mapping[type[Exception], type[FSError]] = {SpoolFailed: BackendError, ResponseCut: Unavailable}


class Translation:
    """The name and settings of a backend, and errors of Flask-FS in the place of those of its library."""

    #: The kind of backend, as configuration names it.
    kind: ClassVar[str] = ''
    #: What the backend promises. An instance may narrow it when its server lacks something: :meth:`drop_capability`.
    capabilities: Capability = Capability.NONE
    #: The settings it understands besides those of every storage.
    settings: ClassVar[tuple[Setting, ...]] = ()
    #: What the library of the store raises; ``OSError`` may be among it.
    errors: ClassVar[tuple[type[Exception], ...]] = ()
    #: Whether the streams of ``_open`` seek at no cost: anywhere, also beyond the end, where nothing is read; to a negative
    #: position they raise ValueError or OSError. Otherwise, with RANGE, files are read by small ranges.
    seekable_streams: ClassVar[bool] = False
    #: The headers, besides what every client sends, without which the store refuses a link for PUT.
    signed_put_headers: ClassVar[Mapping[str, str]] = {}
    #: How many entries a listing requests at once.
    page_size = 1000
    #: How many files ``_remove_batch`` removes by one request; 1 where that is not implemented.
    batch_size = 1

    def __init__(self, name: str, config: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.config = from_mapping(name, self.kind, config or {}, (*STORAGE_SETTINGS, *self.settings))
        # A legacy backend's own verbs would not add it.
        self._prefix = f'{self.config.prefix}/' if self.config.prefix and self.capabilities else ''
        self._retains = bool(self.config.retention_days)

    def _namespace_by_storage(self, place: str) -> None:
        """Put the storage's name before all keys if the setting *place*, such as a bucket, names one for several storages.

        That is the case where it was not set for this very storage, as with roots and URLs.
        """
        if place in self.config and place not in (self.config.explicit_keys or ()):
            self._prefix = f'{self.name}/{self._prefix}'

    @property
    def location(self) -> tuple[Hashable, ...] | None:
        """Where this storage's files are, the key prefix included; None where storages may share them.

        Two storages of one application with equal locations are a ConfigurationError.
        """
        return None

    @property
    def reserved_location(self) -> tuple[Hashable, ...] | None:
        """Where it keeps more than its files, such as parts of large ones: what no other storage's location may begin with."""
        return None

    def describe_location(self) -> str:
        """Where the files are, in a few words for people and without any secret; empty if there is nothing to say."""
        root = getattr(self, 'root', None)
        return str(root) if isinstance(root, (str, os.PathLike)) else ''

    # --- Errors.

    def _translate(self, error: Exception, name: str | None) -> tuple[type[FSError], str | None]:
        """What kind of error one of ``errors`` is, and the reason to give; no secret may be in it.

        :param name: The file that it is about; of a listing the prefix, or None.
        """
        return BackendError, str(error) or type(error).__name__

    def error(self, kind: type[E], name: str | None = None, reason: str | None = None) -> E:
        """An error of *kind* about the file *name*, which names this storage and backend."""
        # A listing of everything is about no file.
        shown = (name or '').removeprefix(self._prefix) or None
        return kind(shown, storage=self.name, backend=self.kind or type(self).__name__, reason=reason)

    def unsupported(self, name: str | None, reason: str) -> OperationNotSupported:
        """The error for what this backend cannot do."""
        return self.error(OperationNotSupported, name, reason)

    def translated(self, error: Exception, name: str | None = None) -> FSError:
        """The error of Flask-FS for *error*, one of ``errors``, about the file *name*."""
        kind = next((kind for own, kind in _OWN_ERRORS.items() if isinstance(error, own)), None)
        kind, reason = self._translate(error, name) if kind is None else (kind, str(error))
        return self.error(kind, name, reason)

    def drop_capability(self, capability: Capability, reason: str | None = None) -> None:
        """Narrow what this backend promises, for its server or its settings.

        :param reason: What was seen of the server, for a warning in the log; None if nothing surprising was.
        """
        if reason is not None and capability & self.capabilities:
            _logger.warning('Storage %r (%s): %s', self.name, self.kind, reason)
        self.capabilities = self.capabilities & ~capability

    # --- Inside the template.

    def _key(self, filename: str) -> str:
        return self._prefix + check(filename)

    def _strip_prefix(self, info: FileInfo) -> FileInfo:
        return dataclasses.replace(info, name=info.name.removeprefix(self._prefix)) if self._prefix else info

    def _call_hook(self, hook: Callable[[str], T], name: str) -> T:
        """What *hook* gives, its errors translated."""
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
                # It would take the same time for each of them to fail.
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
        return self.unsupported(None, f'{type(self).__name__} does not implement {hook}')
