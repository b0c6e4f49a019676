from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from check_wheels import METADATA, problems
from members import IMPORT_PACKAGES, members

TOLD = ''.join(f'{field}: something\n' for field in METADATA)


@pytest.fixture
def dist(workspace: Path, tmp_path: Path) -> Path:
    """The parts of a good build that are checked."""
    folder = tmp_path / 'dist'
    folder.mkdir()
    for member in members(workspace):
        stem = f'{member.name.replace("-", "_")}-{member.version}'
        with tarfile.open(folder / f'{stem}.tar.gz', 'w:gz') as sdist:
            for name in ('PKG-INFO', 'pyproject.toml', 'tests/test_it.py'):
                sdist.addfile(tarfile.TarInfo(f'{stem}/{name}'), io.BytesIO())
        package = IMPORT_PACKAGES[member.name]
        with zipfile.ZipFile(folder / f'{stem}-py3-none-any.whl', 'w') as wheel:
            wheel.writestr(f'{stem}.dist-info/licenses/LICENSE', '')
            wheel.writestr(f'{stem}.dist-info/METADATA', f'{TOLD}\nWhat it is.\n')
            if package:
                wheel.writestr(f'{package}/py.typed', '')
    return folder


def add(dist: Path, distribution: str, name: str) -> None:
    [wheel] = dist.glob(f'{distribution}-*.whl')
    with zipfile.ZipFile(wheel, 'a') as archive:
        archive.writestr(name, '')


def test_a_good_build_has_no_problems(dist, workspace):
    assert list(problems(dist, members(workspace))) == []


def test_a_package_of_another_distribution_is_found(dist, workspace):
    add(dist, 'flask_fs_s3', 'flask_fs/backends/s3.py')

    [problem] = problems(dist, members(workspace))
    assert problem.startswith('flask_fs_s3-')


def test_a_module_in_the_metapackage_is_found(dist, workspace):
    add(dist, 'flask_fs', 'flask_fs/__init__.py')
    assert len(list(problems(dist, members(workspace)))) == 1


def test_tests_at_the_top_of_a_wheel_are_found(dist, workspace):
    add(dist, 'flask_fs_core', 'tests/test_local.py')
    assert len(list(problems(dist, members(workspace)))) == 1


def test_a_missing_file_is_found(dist, workspace):
    [sdist] = dist.glob('flask_fs_mongo-*.tar.gz')
    sdist.unlink()
    assert list(problems(dist, members(workspace))) == [f'{sdist.name}: was not built.']


def test_a_file_left_from_another_version_is_found(dist, workspace):
    (dist / 'flask_fs_core-0.0.1.tar.gz').touch()
    assert list(problems(dist, members(workspace))) == ['flask_fs_core-0.0.1.tar.gz: is not expected in dist/.']


def test_files_of_other_kinds_belong_to_templates(dist, workspace):
    [sdist] = dist.glob('flask_fs_testing-*.tar.gz')
    stem = sdist.name.removesuffix('.tar.gz')
    with tarfile.open(sdist, 'w:gz') as archive:
        archive.addfile(tarfile.TarInfo(f'{stem}/src/flask_fs_testing/template/flask-fs-NAME/README.md'), io.BytesIO())
    assert list(problems(dist, members(workspace))) == []


@pytest.mark.parametrize('stray', ['report.json', 'tests/__pycache__/test_it.cpython-311.pyc', 'docs/index.md'])
def test_what_lay_about_is_found_in_an_sdist(dist, workspace, stray):
    [sdist] = dist.glob('flask_fs_s3-*.tar.gz')
    stem = sdist.name.removesuffix('.tar.gz')
    with tarfile.open(sdist, 'w:gz') as archive:
        archive.addfile(tarfile.TarInfo(f'{stem}/{stray}'), io.BytesIO())
    assert list(problems(dist, members(workspace))) == [
        f'{sdist.name}: contains {stray}, which is neither source nor a test.'
    ]


@pytest.mark.parametrize(
    ('told', 'problem'),
    [
        (TOLD.replace('Project-URL', 'X-Project-URL') + '\nWhat it is.\n', 'its metadata has no Project-URL.'),
        (TOLD, 'its metadata has no description.'),
        (
            TOLD + '\nSee the [guide](docs/guide.md).\n',
            'its README links to docs/guide.md, which works only in the repository. Use a full URL.',
        ),
    ],
)
def test_missing_metadata_is_found(dist, workspace, told, problem):
    [wheel] = dist.glob('flask_fs-*.whl')
    stem = wheel.name.removesuffix('-py3-none-any.whl')
    with zipfile.ZipFile(wheel, 'w') as archive:
        archive.writestr(f'{stem}.dist-info/licenses/LICENSE', '')
        archive.writestr(f'{stem}.dist-info/METADATA', told)
    assert list(problems(dist, members(workspace))) == [f'{wheel.name}: {problem}']
