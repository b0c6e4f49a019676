"""What users get when they install the wheels."""

from __future__ import annotations

import re
import subprocess

import pytest

from members import IMPORT_PACKAGES, ROOT

#: Modules of core that import from a separate distribution.
ALIASES = {
    'flask_fs.backends.gridfs': 'flask-fs-gridfs',
    'flask_fs.backends.s3': 'flask-fs-s3',
    'flask_fs.backends.swift': 'flask-fs-swift',
    'flask_fs.images': 'flask-fs-images',
    'flask_fs.mongo': 'flask-fs-mongo',
}
EXTRAS = ['s3', 'azure', 'gcs', 'gridfs', 'swift', 'mongo', 'sqlalchemy', 'images']
MORE_EXTRAS = ['content', 'heic', 'identity', 'keystone', 'all']

PRINT_BACKENDS = """
import importlib.metadata

for point in importlib.metadata.entry_points(group='fs.backend'):
    print(point.name, point.load().__name__)
"""

MISCONFIGURED = """
import flask_fs as fs
from flask import Flask

app = Flask('app')
app.config['FS_BACKEND'] = 's4'
fs.init_app(app, fs.Storage('files'))
"""


@pytest.fixture(scope='session')
def smoke_script():
    """The program of docs/how-to/install.md."""
    page = (ROOT / 'docs' / 'how-to' / 'install.md').read_text(encoding='utf-8')
    [script] = re.findall(r'^:caption: smoke\.py\n\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    return script


def test_core_and_s3_store_a_file_on_the_disk_and_in_s3(environment, smoke_script, seaweedfs):
    environment.install('flask-fs-core', 'flask-fs-s3')

    assert environment.run(smoke_script).endswith(' works with local.\n')
    assert environment.run(smoke_script, **seaweedfs).endswith(' works with s3.\n')
    assert set(environment.run(PRINT_BACKENDS).split()[::2]) == {'local', 'memory', 'mock', 's3'}


def test_core_alone_says_what_to_install_for_the_rest(environment, smoke_script):
    environment.install('flask-fs-core')

    assert environment.run(smoke_script).endswith(' works with local.\n')
    for alias, distribution in ALIASES.items():
        code = f'try:\n import {alias}\nexcept ImportError as error:\n print(error)'
        assert f'pip install {distribution}' in environment.run(code)
    line = [str(environment.python), '-m', 'flask', 'fs', 'prove', 'files', '--yes']
    done = subprocess.run(line, cwd=environment.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, '')
    assert 'pip install flask-fs-testing' in done.stderr


def test_the_metapackage_brings_everything(everything):
    packages = [package for package in IMPORT_PACKAGES.values() if package]
    places = everything.run('\n'.join(f'import {name}; print({name}.__file__)' for name in packages))

    assert len(packages) == len(places.splitlines())
    assert all(str(everything.folder) in place for place in places.splitlines())
    everything.run('\n'.join(f'import {name}' for name in ALIASES))
    kinds = {'azure', 'gcs', 'gridfs', 'local', 'memory', 'mock', 's3', 'swift'}
    assert set(everything.run(PRINT_BACKENDS).split()[::2]) == kinds


def test_the_kit_adds_its_command(everything):
    assert '--clean-up PREFIX' in everything.program('python', '-m', 'flask', 'fs', 'prove', '--help')


def test_the_metapackage_knows_its_extras(everything):
    shown = everything.pip('install', '--dry-run', *(f'flask-fs[{extra}]' for extra in EXTRAS))

    assert 'does not provide the extra' not in shown
    assert 'Would install' not in shown
    shown = everything.pip('install', '--dry-run', *(f'flask-fs[{extra}]' for extra in MORE_EXTRAS))

    assert 'does not provide the extra' not in shown
    assert 'pillow' in shown
    assert 'azure-identity' in shown
    assert 'keystoneauth1' in shown
    assert 'puremagic' in shown


def test_a_distribution_is_removed_without_harm_to_the_others(environment, smoke_script):
    environment.install('flask-fs-core', 'flask-fs-s3', 'flask-fs-images')
    environment.pip('uninstall', '--yes', 'flask-fs-s3')

    assert environment.run(smoke_script).endswith(' works with local.\n')
    environment.run('import flask_fs.images')
    assert 'pip install flask-fs-s3' in environment.run(
        'try:\n import flask_fs.backends.s3\nexcept ImportError as error:\n print(error)'
    )


def test_a_misconfigured_application_is_one_sentence_for_the_commands(everything, tmp_path):
    (tmp_path / 'app.py').write_text(MISCONFIGURED, encoding='utf-8')
    line = [str(everything.python), '-m', 'flask', '--app', 'app', 'fs', 'list']
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith("Error: Storage 'files': no backend named 's4'")
    assert len(done.stderr.splitlines()) == 1
