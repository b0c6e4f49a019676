from __future__ import annotations

import copy
import functools
import logging
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fs as fs
from flask_fs.backends.local import LocalBackend
from flask_fs.config import Config, resolve
from flask_fs.credentials import hide_in_logs, shown
from flask_fs.settings import Setting, text

PASSWORD = 'TopSecret'


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('plain', "'plain'"),
        (5, '5'),
        (None, 'None'),
        (['png', 5], "['png', 5]"),
        (f'https://me:{PASSWORD}@store.example/x', "'https://***@store.example/x'"),
        (f'mongodb://me:a@{PASSWORD}@store.example/x', "'mongodb://***@store.example/x'"),
        (f'mongodb://me:{PASSWORD}/x@store.example/x', "'mongodb://***@store.example/x'"),
        (f'me:{PASSWORD}@store.example', "'***@store.example'"),
        ([f'mongodb://me:{PASSWORD}@store.example'], "['mongodb://***@store.example']"),
        ([f'me:{PASSWORD}@a.example', f'me:{PASSWORD}@b.example'], "[***@b.example']"),
        (f'https://store.example/x?sig={PASSWORD}&a=b', "'https://store.example/x?***'"),
        (f'AccountName=me;AccountKey={PASSWORD}==;Suffix=a.test', "'AccountName=me;AccountKey=***;Suffix=a.test'"),
        (f'BlobEndpoint=x;SharedAccessSignature=sv=1&sig={PASSWORD}', "'BlobEndpoint=x;SharedAccessSignature=***'"),
        (Path('x'), repr(Path('x'))),
        ({'SSECustomerKey': PASSWORD}, '<dict>'),
        ([{'key': PASSWORD}], '<list>'),
        (functools.partial(print, PASSWORD), '<partial>'),
        (LocalBackend, '<class LocalBackend>'),
    ],
)
def test_a_value_is_shown_without_passwords(value: Any, expected: str) -> None:
    assert shown(value) == expected


ADDRESS = f'store://me:{PASSWORD}@store.example/'


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        *(
            (setting, value)
            for setting in ('MAX_BYTES', 'SERVE', 'SERVING', 'CHECKSUM', 'URL')
            for value in (ADDRESS, f'me:{PASSWORD}@h', [ADDRESS], {'key': PASSWORD}, functools.partial(print, PASSWORD))
        ),
        ('PREFIX', [ADDRESS]),
        ('ALLOW', functools.partial(print, PASSWORD)),
        ('AUTHORIZE', ADDRESS),
    ],
)
def test_no_message_about_a_wrong_setting_shows_a_password(
    make_app: Callable[..., Flask], setting: str, value: Any
) -> None:
    with pytest.raises(fs.ConfigurationError, match=f'FILES_FS_{setting}') as caught:
        make_app(fs.Storage(), **{f'FILES_FS_{setting}': value})
    assert PASSWORD not in str(caught.value)


def test_an_unknown_backend_is_shown_without_a_password(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(fs.UnknownBackend) as caught:
        make_app(fs.Storage(), FS_BACKEND=f's3://me:{PASSWORD}@store.example')
    assert PASSWORD not in str(caught.value)


def test_a_misspelled_setting_is_shown_without_its_value(make_app: Callable[..., Flask]) -> None:
    with pytest.warns(fs.ConfigurationWarning, match='did you mean FILES_FS_URL') as warned:
        make_app(fs.Storage(), FILES_FS_URLL=f'https://me:{PASSWORD}@store.example')
    assert PASSWORD not in str(warned[0].message)


@pytest.mark.parametrize(
    'value', [f'https://me:{PASSWORD}@cdn.example', f'//me:{PASSWORD}@cdn.example/x', 'https://me@h']
)
def test_the_url_of_files_has_no_password_that_every_visitor_would_see(
    make_app: Callable[..., Flask], value: str
) -> None:
    with pytest.raises(fs.ConfigurationError, match='which every visitor would see') as caught:
        make_app(fs.Storage(), FS_URL=value)
    assert PASSWORD not in str(caught.value)


def test_the_url_of_files_may_have_an_at_in_its_path(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    with make_app(storage, FILES_FS_URL='https://cdn.example/@2').app_context():
        assert storage.url('x') == 'https://cdn.example/@2/x'


def test_a_reason_never_shows_a_password() -> None:
    reason = (
        f"cannot reach 'https://me:{PASSWORD}@store.example:9/x' nor mongodb://{PASSWORD}@b, as ada@example.org knows"
    )
    error = fs.Unavailable('x', storage='files', reason=reason)
    expected = "cannot reach 'https://***@store.example:9/x' nor mongodb://***@b, as ada@example.org knows"
    assert error.reason == expected
    assert PASSWORD not in repr(error) + str(error) + repr(pickle.dumps(error))


@pytest.fixture
def config() -> Config:
    settings = (Setting('secret_key', text, secret=True), Setting('url', text))
    given = {
        'X_FS_SECRET_KEY': PASSWORD,
        'X_FS_URL': 'https://cdn.example',
        'X_FS_MONGO_URI': f'mongodb://me:{PASSWORD}@h',
    }
    return resolve(given, 'x', 'some', settings)


def test_settings_are_shown_by_name(config: Config) -> None:
    assert config.secret_key == PASSWORD
    seen = repr(config)
    assert PASSWORD not in seen
    assert set(seen[7:-1].split(', ')) == {'mongo_uri=***', 'secret_key=***', "url='https://cdn.example'"}
    assert repr(Config()) == 'Config()'


def test_what_holds_settings_shows_none(make_app: Callable[..., Flask]) -> None:
    storage = fs.Storage()
    app = make_app(storage, FILES_FS_SECRET=PASSWORD, FILES_FS_ROOT='/x')
    with app.app_context():
        for holder in (storage, storage.backend, storage.config, storage._bound(), app.extensions['fs']):
            assert PASSWORD not in repr(holder)
        assert storage.config.secret == PASSWORD


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_settings_are_not_pickled(config: Config, protocol: int) -> None:
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(config, protocol)


@pytest.mark.parametrize('copied', [copy.copy, copy.deepcopy, Config.copy])
def test_settings_are_copied_whole(config: Config, copied: Callable[[Config], Config]) -> None:
    other = copied(config)
    assert (type(config), dict(config), config.explicit_keys) == (type(other), dict(other), other.explicit_keys)
    dict.update(other, url='changed')
    assert config.url == 'https://cdn.example'


def test_a_secret_in_a_url_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    logger, secret = logging.getLogger('a.library.of.a.store'), re.compile(r'([?&]sig=)[^&\s]+')
    for _ in range(2):
        hide_in_logs(secret, logger.name)
    assert len(logger.filters) == 1
    with caplog.at_level(logging.DEBUG, logger.name):
        logger.debug('GET %s (%d)', f'/x?a=1&sig={PASSWORD}&b=2', 200)
        logger.debug('GET %s', '/x')
    assert caplog.messages == ['GET /x?a=1&sig=***&b=2 (200)', 'GET /x']
