"""The configuration of storages: looking up settings, and reporting wrong ones.

For the setting ``key`` of a storage, the first of these that is set takes precedence (``None`` counts as not set):

1. ``{STORAGE}_FS_{KEY}``: this storage,
2. ``FS_{BACKEND}_{KEY}``: every storage on this backend,
3. ``FS_{KEY}``: every storage,
4. the setting's default.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flask import current_app, has_app_context

from .credentials import HIDDEN, shown
from .errors import ConfigurationWarning
from .settings import Setting as _Setting
from .settings import (
    at_least,
    backend_prefix,
    boolean,
    extensions,
    function,
    hash_algorithm,
    header_value,
    key_prefix,
    non_negative_int,
    one_of,
    public_url,
    settings_error,
    storage_prefix,
)

#: The kind of backend when no setting names one.
DEFAULT_BACKEND = 'local'


class Config(dict[str, Any]):
    """The settings of a storage, by lowercase key or as attributes. Construct it like a dictionary.

    A backend that gets one checks and completes the settings, like those in a plain dictionary.
    """

    #: The keys that were set for this storage itself; None until the settings are checked and completed.
    explicit_keys: frozenset[str] | None = None

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f'no setting {key!r} (set: {", ".join(sorted(self)) or "none"})') from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def __delattr__(self, key: str) -> None:
        try:
            del self[key]
        except KeyError:
            raise AttributeError(f'no setting {key!r} to delete') from None

    def __repr__(self) -> str:
        # Only the common settings of storages are known not to be secret: a misspelled key can be anything.
        known = {setting.key for setting in storage_settings() if not setting.secret}
        settings = (f'{key}={shown(value) if key in known else HIDDEN}' for key, value in self.items())
        return f'Config({", ".join(settings)})'

    def __reduce_ex__(self, _: Any) -> Any:
        raise TypeError("a Config can't be pickled, because it contains secrets: pickle the storage's name instead")

    def copy(self) -> Config:
        """A copy, which hides secrets too."""
        copied = type(self).__new__(type(self))
        dict.update(copied, self)
        vars(copied).update(vars(self))
        return copied

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Config:
        copied = self.copy()
        memo[id(self)] = copied
        dict.update(copied, copy.deepcopy(dict(self), memo))
        return copied


def complete(settings: Mapping[str, Any], explicit_keys: Iterable[str]) -> Config:
    """A Config of checked and complete *settings*. ``None`` means the default and is left out."""
    config = Config({key: value for key, value in settings.items() if value is not None})
    vars(config)['explicit_keys'] = frozenset(explicit_keys)
    return config


# FS_{KEY} sets it for all storages.
_everywhere = functools.partial(_Setting, allow_global=True)

#: The settings of every storage, on any backend.
STORAGE_SETTINGS = (
    _everywhere('backend', lambda value: value, DEFAULT_BACKEND, 'The name of the backend, or a backend class.'),
    _Setting('prefix', key_prefix, '', 'The key prefix inside the store. Filenames do not include it.'),
    _everywhere(
        'url',
        public_url,
        None,
        'The URL at which a web server or CDN outside the application serves the files.',
        append_storage_name=True,
    ),
    _everywhere('allow', extensions, (), "Extensions allowed in addition to the storage's own."),
    _everywhere('deny', extensions, (), "Extensions excluded from the storage's own."),
    _everywhere('max_bytes', non_negative_int, None, 'The maximum size of a file, in bytes.'),
    _everywhere('check_content', boolean, True, 'Whether save() rejects content that contradicts its extension.'),
    _everywhere('serve', boolean, None, 'Whether the application serves the files. If not set, DEBUG decides.'),
    _everywhere(
        'serving',
        one_of('proxy', 'redirect'),
        'proxy',
        "'proxy' sends files through the application, 'redirect' redirects the browser to a URL signed by the store.",
    ),
    _everywhere(
        'cache_control', header_value, None, "The Cache-Control header of served files. If not set, 'no-cache'."
    ),
    _everywhere(
        'authorize',
        function,
        None,
        'Called with a filename before the file is served. If it returns false, the response is 403.',
    ),
    _everywhere('checksum', hash_algorithm, 'sha256', 'The hash algorithm of checksums.'),
    _everywhere(
        'retention_days',
        # A century: dates end somewhere.
        at_least(0, 36_500),
        0,
        'How many days deleted files can be restored. With 0, they cannot be restored.',
    ),
)

#: The settings that other distributions have registered.
_registered: dict[str, _Setting] = {}


def register_settings(*settings: _Setting) -> None:
    """Add *settings* to those of every storage. Distributions that work with storages call this when they are imported.

    Storages that are already configured get them too.
    """
    _registered.update((setting.key, setting) for setting in settings)


def storage_settings() -> tuple[_Setting, ...]:
    """The settings of every storage, including registered ones."""
    return (*STORAGE_SETTINGS, *_registered.values())


#: Keys of FS_ settings that mean something else than the storage's own, or are read earlier.
_APPLICATION_KEYS = ('backend', 'prefix')


def _not_encrypted(value: Any) -> bool:
    """False, or a word for it: flask-fs2 supports encryption, Flask-FS doesn't."""
    with contextlib.suppress(ValueError):
        if not boolean(value):
            return False
    raise ValueError(
        "False, because Flask-FS doesn't encrypt files and can't decrypt those that flask-fs2 encrypted: "
        'decrypt them first, as the upgrade guide explains (docs/how-to/upgrade.md)'
    )


# Ignoring the setting would return encrypted content, and store content unencrypted against the user's wish.
_ENCRYPTED = _Setting('aes256_encrypted', _not_encrypted, False, allow_global=True)


def default_root(app: Any) -> str | None:
    """The folder of all local storages of *app* if ``FS_ROOT`` is not set; None if *app* is not a Flask application."""
    instance_path = getattr(app, 'instance_path', None)
    return os.path.join(instance_path, 'fs') if isinstance(instance_path, str) else None


def root_in_current_app(storage: str) -> str | None:
    """The folder where the current application stores the files of a local storage without its own root, or None."""
    if not has_app_context():
        return None
    return os.path.join(str(current_app.config.get('FS_ROOT') or default_root(current_app)), storage)


def backend_of(app_config: Mapping[str, Any], storage: str) -> Any:
    """The configured kind (or class) of backend of *storage*."""
    for setting in (f'{storage_prefix(storage)}BACKEND', 'FS_BACKEND'):
        if (value := app_config.get(setting)) is not None:
            return value
    return DEFAULT_BACKEND


def resolve(app_config: Mapping[str, Any], storage: str, kind: str, settings: Iterable[_Setting]) -> Config:
    """The settings of *storage* on the backend *kind*.

    Keys that are not in *settings* are passed on unchanged, because the backend might use them.

    :raises ConfigurationError: If settings are missing or invalid. The message lists all of them.
    """
    known = {setting.key: setting for setting in settings}
    own, wide = storage_prefix(storage), backend_prefix(kind)
    # For backward compatibility: in older packages, setting names include the hyphens of a storage's name.
    own_before, wide_before = f'{storage.upper()}_FS_', f'FS_{kind.upper()}_'
    scopes = (own, own_before, 'FS_')
    given = {name: value for name, value in app_config.items() if value is not None and name.startswith(scopes)}
    found: dict[str, Any] = {}
    for scope, before in ((wide, wide_before), (own, own_before)):
        for name, value in given.items():
            if name.startswith(scope) and (key := name[len(scope) :].lower()) not in known:
                found[key] = value
                if close := _resembling(key, known):
                    _hint(name, scope + close.upper(), f'storage {storage!r} ({kind})')
            elif scope != before and name.startswith(before):
                _hint(name, scope + name[len(before) :], f'storage {storage!r} ({kind})')
    of_all = {*_APPLICATION_KEYS, *(key for key, setting in known.items() if setting.allow_global)}
    for name in given:
        if name.startswith((own, own_before, wide, wide_before)) or (key := name[len('FS_') :].lower()) in of_all:
            continue
        if key in known:
            _hint(name, wide + key.upper(), f'storage {storage!r} ({kind})')
        # FS_S3_MAX_BYTES is a setting of another backend, not a misspelled FS_MAX_BYTES.
        elif (close := _resembling(key, of_all)) and not key.endswith(f'_{close}'):
            _hint(name, f'FS_{close.upper()}', f'storage {storage!r} ({kind})')
    problems: list[str] = []
    if _ENCRYPTED.key not in known:
        key = _ENCRYPTED.key.upper()
        try:
            _lookup(given, _ENCRYPTED, storage, (own if own + key in given else own_before, wide))
        except ValueError as error:
            problems.append(str(error))
    for setting in known.values():
        try:
            found[setting.key] = _lookup(given, setting, storage, (own, wide))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise settings_error(storage, kind, '; it '.join(problems))
    return complete(found, {key for key in found if own + key.upper() in given})


def refresh(config: Config, app_config: Mapping[str, Any], storage: str, kind: str) -> Config:
    """*config* itself, after adding missing registered settings and the current values of live ones.

    :raises ConfigurationError: If one of these is invalid.
    """
    scopes = storage_prefix(storage), backend_prefix(kind)
    for setting in _registered.values():
        if not setting.live and setting.key in config:
            continue
        try:
            config[setting.key] = _lookup(app_config, setting, storage, scopes)
        except ValueError as error:
            raise settings_error(storage, kind, str(error)) from None
    return config


def from_mapping(storage: str, kind: str, given: Mapping[str, Any], settings: Iterable[_Setting]) -> Config:
    """The settings of *storage* from a mapping with lowercase keys, parsed and completed like those in ``app.config``."""
    if isinstance(given, Config) and given.explicit_keys is not None:
        return given
    prefix = storage_prefix(storage)
    return resolve({f'{prefix}{key.upper()}': value for key, value in given.items()}, storage, kind, settings)


def _lookup(given: Mapping[str, Any], setting: _Setting, storage: str, scopes: tuple[str, str]) -> Any:
    """The value of *setting*. ValueError completes a sentence that begins with the storage."""
    own, wide = scopes
    names = [own + setting.key.upper(), wide + setting.key.upper()]
    if setting.allow_global:
        names.append('FS_' + setting.key.upper())
    for name in names:
        if (value := given.get(name)) is None:
            continue
        try:
            value = setting.parse(value)
        except ValueError as error:
            given_value = '' if setting.secret else f' = {shown(value)}'
            raise ValueError(f'cannot use {name}{given_value}: it must be {error}') from None
        return f'{value.rstrip("/")}/{storage}' if setting.append_storage_name and name != names[0] else value
    if setting.required:
        raise ValueError(f'needs {" or ".join(names)}')
    return setting.default


def _resembling(key: str, known: Collection[str]) -> str | None:
    # Imported here because only misspelled settings need it.
    import difflib

    if len(longer := [name for name in known if name.startswith(f'{key}_')]) == 1:
        return longer[0]
    return next(iter(difflib.get_close_matches(key, known, n=1, cutoff=0.75)), None)


def _hint(name: str, meant: str, where: str) -> None:
    warnings.warn(f'{name} is not a setting of {where}: did you mean {meant}?', ConfigurationWarning, stacklevel=6)


def hint_at_storages(app_config: Mapping[str, Any], known: Mapping[str, Collection[str]], where: str) -> None:
    """Warn about settings that name a storage which doesn't exist, if they probably mean one that does.

    :param known: The keys of the settings of each storage, by the storage's name.
    :param where: A description of these storages, for the message.
    """
    keys_of = {storage_prefix(storage): keys for storage, keys in known.items()}
    # For backward compatibility: in older packages, setting names include the hyphens of a storage's name.
    prefixes = {*keys_of, *(f'{storage.upper()}_FS_' for storage in known)}
    for name, value in list(app_config.items()):
        storage, separator, key = name.rpartition('_FS_')
        if value is None or not separator or storage + separator in prefixes:
            continue
        for prefix, keys in keys_of.items():
            meant = prefix + key
            # If that is set too, the names are more likely those of two storages.
            is_free = key.lower() in keys and app_config.get(meant) is None
            if is_free and _is_misspelling(storage, prefix.removesuffix(separator)):
                _hint(name, meant, where)
                break


def _is_misspelling(given: str, meant: str) -> bool:
    """Whether the names differ by one character too many or too few, a replaced one, or two swapped ones.

    It isn't a misspelling if that is a digit or in a short word: ``tenant1`` and ``tenant2``, or ``files_a`` and
    ``files_b``, are different storages.
    """
    start = _shared_start(given, meant)
    rest = given[start:], meant[start:]
    end = _shared_start(*(part[::-1] for part in rest))
    one, other = (part[: len(part) - end] for part in rest)
    is_swap = len(one) == 2 and one == other[::-1]
    if not (is_swap or max(len(one), len(other)) == 1):
        return False
    shorter = min(given, meant, key=len)
    word = shorter[:start].rpartition('_')[2] + shorter[start:].partition('_')[0]
    return len(word) >= 3 and not any(character.isdigit() for character in one + other)


def _shared_start(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# --- Names that drivers for 1.0 import from here. New drivers import them from flask_fs.settings.

from .settings import file_mode, folder, host_of, mapping, seconds, server_of, text  # noqa: E402, F401

whole_number = non_negative_int


def Setting(*values: Any, **options: Any) -> _Setting:  # noqa: N802  # it was a class
    """:class:`flask_fs.settings.Setting` as in 1.0, where ``FS_{KEY}`` sets every setting unless the setting opts out."""
    names = {'appended': 'append_storage_name', 'everywhere': 'allow_global'}
    given = {names.get(name, name): value for name, value in options.items()}
    if len(values) <= _Setting._fields.index('allow_global'):
        given.setdefault('allow_global', True)
    return _Setting(*values, **given)
