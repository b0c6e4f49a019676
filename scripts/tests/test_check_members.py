from __future__ import annotations

from pathlib import Path

import pytest

from check_members import main, problems, set_version
from members import IMPORT_PACKAGES, members
from metadata import write_generated


def replace(workspace: Path, member: str, old: str, new: str) -> None:
    file = workspace / member / 'pyproject.toml'
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_real_pyproject_files_fit_together(workspace):
    assert problems(workspace) == []


def test_set_gives_every_member_the_version(workspace):
    changed = set_version(workspace, '7.8.9')

    assert len(changed) == len(members(workspace))
    assert {member.version for member in members(workspace)} == {'7.8.9'}
    assert problems(workspace) == []


def test_set_moves_the_bounds_between_members_and_no_others(workspace):
    set_version(workspace, '7.8.9')

    [mongo] = [member for member in members(workspace) if member.name == 'flask-fs-mongo']
    requirements = list(mongo.requirements())
    assert {'flask-fs-core>=7.8.9', 'flask-fs-images>=7.8.9'} < set(requirements)
    assert any(requirement.startswith('mongoengine>=0.') for requirement in requirements)


def test_set_twice_changes_nothing_the_second_time(workspace):
    set_version(workspace, '7.8.9')
    assert set_version(workspace, '7.8.9') == []


@pytest.mark.parametrize('version', ['', '1', '1.2', 'v1.2.3', '1.2.3-final', '1.2.3\n'])
def test_set_refuses_what_is_no_version(workspace, version):
    with pytest.raises(ValueError, match='is not a version'):
        set_version(workspace, version)


def test_different_versions_are_found(workspace):
    replace(workspace, 'packages/flask-fs-core', 'version = "', 'version = "9')

    found = problems(workspace)
    assert found[0].startswith('The members have different versions: ')


def test_a_wrong_bound_between_members_is_found(workspace):
    replace(workspace, 'packages/flask-fs-s3', '"flask-fs-core>=', '"flask-fs-core>=9')

    [problem] = problems(workspace)
    assert problem.startswith("flask-fs-s3: requires 'flask-fs-core>=9")


@pytest.mark.parametrize('bounds', ['>=2.3,<4', '~=2.3', '==2.3'])
def test_upper_bounds_are_found(workspace, bounds):
    replace(workspace, 'packages/flask-fs-core', '"flask>=2.3"', f'"flask{bounds}"')
    assert problems(workspace) == [f"flask-fs-core: 'flask{bounds}' has an upper bound. Use only >=."]


def test_a_marker_is_no_upper_bound(workspace):
    replace(workspace, 'packages/flask-fs-core', '"flask>=2.3"', '''"flask>=2.3; python_version < '3.99'"''')
    assert problems(workspace) == []


def test_a_missing_lower_bound_is_found(workspace):
    replace(workspace, 'packages/flask-fs-core', '"flask>=2.3"', '"flask"')
    assert problems(workspace) == ["flask-fs-core: 'flask' has no lower bound. Use >=."]


def test_another_python_is_found(workspace):
    replace(workspace, 'testing', 'requires-python = ">=3.10"', 'requires-python = ">=3.12"')

    [problem] = problems(workspace)
    assert problem.startswith("flask-fs-testing: requires-python is '>=3.12' instead of '>=3.10'.")


def test_another_classifier_for_python_is_found(workspace):
    replace(workspace, 'testing', ':: Python :: 3.11"', ':: Python :: 3.9"')
    assert problems(workspace) == ['The members have different classifiers for Python versions. Make them the same.']


def test_a_missing_description_is_found(workspace):
    replace(workspace, 'testing', 'description = ', '# description = ')
    assert problems(workspace) == ['flask-fs-testing: description is missing.']


def test_a_requirement_of_the_metapackage_that_is_missing_is_found_and_written(workspace):
    replace(workspace, 'packages/flask-fs', '  "flask-fs-mongo>=', '  # "flask-fs-mongo>=')
    replace(workspace, 'packages/flask-fs', 's3 = [', 's4 = [')

    found = problems(workspace)
    assert [line.split(' is ')[0] for line in found] == ['flask-fs: dependencies', 'flask-fs: optional-dependencies']
    assert write_generated(workspace) == [workspace / 'packages' / 'flask-fs' / 'pyproject.toml']
    assert problems(workspace) == []
    assert write_generated(workspace) == []


def test_a_new_member_goes_into_the_metapackage(workspace):
    replace(workspace, 'packages/flask-fs-s3', 'name = "flask-fs-s3"', 'name = "flask-fs-azure"')
    write_generated(workspace)

    [meta] = [member for member in members(workspace) if member.name == 'flask-fs']
    assert f'flask-fs-azure>={meta.version}' in meta.project['dependencies']
    assert [f'flask-fs-azure>={meta.version}'] == meta.project['optional-dependencies']['azure']
    assert 's3' not in meta.project['optional-dependencies']


def test_extras_of_members_are_extras_of_the_metapackage(workspace):
    write_generated(workspace)

    [meta] = [member for member in members(workspace) if member.name == 'flask-fs']
    extras = meta.project['optional-dependencies']
    assert extras['heic'] == [f'flask-fs-images[heic]>={meta.version}']
    assert set(extras['all']) == {requirement for name in extras if name != 'all' for requirement in extras[name]}


@pytest.mark.parametrize('text', ['license-files = ["LICENSE"]', 'Issues = "https://', '  "flask-fs-core>='])
def test_writing_keeps_comments_and_layout(workspace, text):
    file = workspace / 'packages' / 'flask-fs' / 'pyproject.toml'
    before = file.read_text()
    replace(workspace, 'packages/flask-fs', text, text.replace('"', '"x', 1))

    assert write_generated(workspace) == [file]
    assert file.read_text() == before


def test_a_second_import_package_is_found(workspace):
    package = workspace / 'packages' / 'flask-fs-s3' / 'src' / 'flask_fs'
    package.mkdir()
    (package / '__init__.py').touch()

    [problem] = problems(workspace)
    assert problem.startswith('flask-fs-s3: src/ contains ')


def test_a_module_in_the_metapackage_is_found(workspace):
    package = workspace / 'packages' / 'flask-fs' / 'src' / 'flask_fs'
    package.mkdir(parents=True)
    (package / '__init__.py').touch()

    [problem] = problems(workspace)
    assert problem.startswith('flask-fs: src/ contains ')


def test_a_missing_type_marker_is_found(workspace):
    (workspace / 'testing' / 'src' / 'flask_fs_testing' / 'py.typed').unlink()
    assert problems(workspace) == ['flask-fs-testing: src/flask_fs_testing/py.typed is missing.']


def test_another_license_is_found(workspace):
    (workspace / 'testing' / 'LICENSE').write_text('other')
    assert problems(workspace) == ['flask-fs-testing: its LICENSE differs from the one in the root. Copy that one.']


def test_an_undocumented_member_is_found(workspace):
    replace(workspace, 'packages/flask-fs-s3', 'name = "flask-fs-s3"', 'name = "flask-fs-s4"')

    found = problems(workspace)
    assert (
        'flask-fs-s3: is in scripts/members.py, but no member has this name. Add the package, or remove the name there.'
        in found
    )
    assert 'flask-fs-s4: is not in scripts/members.py. Add it to IMPORT_PACKAGES there.' in found


def test_the_command_says_that_all_is_well(workspace, capsys):
    assert main(['--set', '7.8.9'], workspace) == 0
    assert capsys.readouterr().out.endswith(f'{len(IMPORT_PACKAGES)} members are consistent at 7.8.9.\n')


def test_the_command_fails_with_each_problem(workspace, capsys):
    (workspace / 'testing' / 'LICENSE').unlink()

    assert main([], workspace) == 1
    assert 'flask-fs-testing: its LICENSE' in capsys.readouterr().err


def test_the_command_refuses_what_is_no_version(workspace):
    with pytest.raises(SystemExit, match='2'):
        main(['--set', 'soon'], workspace)
