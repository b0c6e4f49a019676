"""A storage as an application has configured it, on which checks work below one key prefix, and clean up."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends import BaseBackend, Capability, Source, chunks_of
from flask_fs.backends.memory import MemoryBackend
from flask_fs.bindings import Binding
from flask_fs.config import complete, storage_settings
from flask_fs.errors import InvalidFilename
from flask_fs.names import join
from flask_fs.settings import settings_error

from .doubles.wrapper import BackendWrapper
from .harness import NetworkHarness

__all__ = ['MARK', 'Deployment', 'LiveHarness', 'Unsuitable']

#: The pattern of the key prefixes of runs.
MARK = re.compile(r'fs-prove-[0-9a-f]{16}')
#: Larger parts are not checked: each size is stored and read several times, maybe over a slow connection.
MAX_PART_BYTES = 8 * 1024 * 1024
#: How many times files are listed and removed before the remaining ones count as left.
ROUNDS = 3
_NO_OTHER_PROGRAM = 'needs another program that stores files there without the backend'
_NO_PROXY = 'needs a proxy between the backend and its server'


class Unsuitable(Exception):
    """Why a storage cannot be checked, for the user."""


class Deployment:
    """A storage of an application, for checks that store, read and remove files below one key prefix.

    :param storage: Its name.
    :param binding: How the application has configured it. It is neither changed nor used by the checks.
    :param prefix: The key prefix of an earlier run; by default a new one, below which there are no files.
    :raises Unsuitable: If the checks do not apply to it.
    """

    def __init__(self, storage: str, binding: Binding, prefix: str | None = None) -> None:
        # The configured backend, even if a test has replaced it.
        binding = binding.configured or binding
        if not isinstance(binding.driver, BaseBackend):
            message = (
                f'Storage {storage!r} ({binding.kind}) uses a legacy backend, which declares no capabilities: '
                'the checks need a backend made from BaseBackend.'
            )
            raise Unsuitable(message)
        if isinstance(binding.driver, MemoryBackend):
            message = (
                f'Storage {storage!r} ({binding.kind}) is in the memory of this process: there is no server to check.'
            )
            raise Unsuitable(message)
        self.storage = storage
        self.prefix = prefix or f'fs-prove-{secrets.token_hex(8)}'
        self.backend_class = type(binding.driver)
        self.config = binding.config

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that no output can contain."""
        found = (self.config.get(setting.key) for setting in self.backend_class.settings if setting.secret)
        return tuple(value for value in found if isinstance(value, str) and value)

    @property
    def location(self) -> str:
        """Where the checks work: the location of the storage, as its backend describes it, and the prefix."""
        described = self.make(self.prefix).describe_location()
        return described if self.prefix in described else f'{described} {self.prefix}/'.lstrip()

    def make(self, below: str, /, **more: Any) -> BaseBackend:
        """A backend on the store of the storage, with *below* after the storage's own key prefix.

        It has the settings of the connection to the store, and *more* by lowercase key. Settings of the storage itself, such
        as limits, types or the checksum, have their defaults, because the checks are about the backend.
        """
        defaults = {setting.key: setting for setting in storage_settings()}
        known = {**defaults, **{setting.key: setting for setting in self.backend_class.settings}}
        try:
            given = {key: known[key].parse(value) if key in known else value for key, value in more.items()}
        except ValueError as error:
            raise settings_error(self.storage, self.backend_class.kind, f'needs another setting: {error}') from None
        given['prefix'] = join(self.config.prefix, below, given.get('prefix', ''))
        settings = {**self.config, **{key: setting.default for key, setting in defaults.items()}, **given}
        return self.backend_class(self.storage, complete(settings, {*(self.config.explicit_keys or ()), *more}))

    def try_access(self) -> None:
        """Store a file and remove it, to report a problem that would break every check only once.

        :raises FSError: If that fails.
        """
        store = _Raw(self.make(self.prefix))
        store.put('access', b'')
        store.remove('access')

    def clear(self, below: str = '') -> list[str]:
        """Remove every file below the prefix, or below a part of it, one by one.

        :return: A sentence for each file that could not be removed.
        """
        top = join(self.prefix, below)
        store, failures = _Raw(self.make(top)), dict[str, str]()
        try:
            for _ in range(ROUNDS):
                for name in store.names():
                    try:
                        store.remove(name)
                    except Exception as error:  # noqa: BLE001  # a store can fail in any way, and the other files have to be removed
                        failures[name] = str(error)
            left = store.names()
            if not left:
                # Remove what is not a file, such as empty folders on a disk.
                self.make('').delete(top)
        except Exception as error:  # noqa: BLE001
            return [f'Listing the files left below {top}/ failed: {error}']
        return [f'{top}/{name} is left: {failures.get(name, "removing it had no effect")}' for name in left]


class LiveHarness(NetworkHarness):
    """Part of a deployment, empty at first, for one check.

    If a check needs something that a deployment cannot provide, such as another server or an outage, it is skipped with the reason.
    """

    memory_ceiling_bytes = 56 * 1024 * 1024
    race_rounds = 10
    page_size = 30

    def __init__(self, folder: Path, deployment: Deployment, below: str) -> None:
        super().__init__(folder)
        self._deployment = deployment
        self._prefix = join(deployment.prefix, below)
        self._raw = _Raw(deployment.make(self._prefix))
        # The backend's settings of sizes in bytes, recognized by their names.
        sizes = (
            deployment.config.get(each.key) for each in deployment.backend_class.settings if each.key.endswith('_bytes')
        )
        # A class attribute in other harnesses.
        vars(self).update(
            backend_class=deployment.backend_class,
            secrets=deployment.secrets,
            part_sizes=tuple(sorted({size for size in sizes if isinstance(size, int) and 0 < size <= MAX_PART_BYTES})),
        )

    def settings(self) -> Mapping[str, Any]:
        """The settings of the deployment."""
        return self._deployment.make(self._prefix).config

    def missing_settings(self) -> Mapping[str, Any]:
        """Not to be had."""
        _not_tried('needs a store in which the bucket, container or folder does not exist yet')

    def make(self, **more: Any) -> BaseBackend:
        """A backend on the files of this harness, which lists them in short pages."""
        backend = self._deployment.make(self._prefix, **more)
        backend.page_size = self.page_size
        return backend

    def make_missing(self) -> BaseBackend:
        """Not to be had."""
        self.missing_settings()
        raise AssertionError

    def make_app(self, storage: fs.Storage, **more: Any) -> Flask:
        """An application that uses only the store of the deployment."""
        app = self._app({'backend': MemoryBackend.kind, **more}, storage)
        with app.app_context():
            storage.backend = self.make(**more)
        return app

    def make_via_proxy(self, endpoint: str, **more: Any) -> BaseBackend:
        """Not to be had."""
        _not_tried(_NO_PROXY)

    @property
    def host(self) -> str:  # type: ignore[override]  # as make_via_proxy()
        """Not to be had."""
        _not_tried(_NO_PROXY)

    def put_raw(self, name: str, content: bytes) -> None:
        """Store it with a separate backend, without the verbs."""
        self._raw.put(name, content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        """Not to be had."""
        _not_tried(_NO_OTHER_PROGRAM)

    def get_raw(self, name: str) -> bytes:
        """Read it with a separate backend, without the verbs."""
        return self._raw.get(name)

    def names_raw(self) -> list[str]:
        """List them with a separate backend, without the verbs: what its hook does not list is invisible."""
        return self._raw.names()


class _Raw:
    """The files of a backend as its hooks see them, including those with names that no verb accepts."""

    def __init__(self, backend: BaseBackend) -> None:
        self._backend = backend
        self._prefix = backend._prefix
        self._hooks = BackendWrapper(backend)

    def names(self) -> list[str]:
        """Only the files below the prefix, even if a broken backend lists others."""
        found = self._hooks.pass_on('names', self._prefix)
        return sorted(name.removeprefix(self._prefix) for name in found if name.startswith(self._prefix))

    def put(self, name: str, content: bytes) -> None:
        try:
            self._hooks.pass_on('put', f'{self._prefix}{name}', Source(io.BytesIO(content)))
        except InvalidFilename:
            if (path := self._path(name)) is None:
                _not_tried(_NO_OTHER_PROGRAM)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def get(self, name: str) -> bytes:
        try:
            with self._hooks.pass_on('open', f'{self._prefix}{name}').stream as stream:
                return b''.join(chunks_of(stream))
        except InvalidFilename:
            if (path := self._path(name)) is None:
                raise
            return path.read_bytes()

    def remove(self, name: str) -> None:
        try:
            self._hooks.pass_on('remove', f'{self._prefix}{name}')
        except InvalidFilename:
            if (path := self._path(name)) is None:
                raise
            path.unlink()

    def _path(self, name: str) -> Path | None:
        """The local path of a file whose name the backend rejects, such as one of its temporary files."""
        if Capability.LOCAL_PATH not in self._backend.capabilities:
            return None
        return Path(self._backend.path('x')).parent / name


def _not_tried(reason: str) -> NoReturn:
    pytest.skip(reason)
