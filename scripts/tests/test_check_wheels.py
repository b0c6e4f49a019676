from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from check_wheels import problems
from members import IMPORT_PACKAGES, members


@pytest.fixture
def dist(workspace: Path, tmp_path: Path) -> Path:
    """What a good build leaves, as far as the check looks at it."""
    folder = tmp_path / 'dist'
    folder.mkdir()
    for member in members(workspace):
        stem = f'{member.name.replace("-", "_")}-{member.version}'
        (folder / f'{stem}.tar.gz').touch()
        package = IMPORT_PACKAGES[member.name]
        with zipfile.ZipFile(folder / f'{stem}-py3-none-any.whl', 'w') as wheel:
            wheel.writestr(f'{stem}.dist-info/licenses/LICENSE', '')
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
