from __future__ import annotations

import pytest

from check_requirements import main


@pytest.fixture
def member(tmp_path):
    """A function that writes a workspace with one distribution, which requires Flask and imports given modules."""

    def write(source, requirements='"flask>=2.3"'):
        package = tmp_path / 'packages' / 'flask-fs-core' / 'src' / 'flask_fs'
        package.mkdir(parents=True)
        (package / '__init__.py').write_text(source)
        project = f'[project]\nname = "flask-fs-core"\nversion = "1.0.0"\ndependencies = [{requirements}]\n'
        (package.parent.parent / 'pyproject.toml').write_text(project)
        return tmp_path

    return write


def test_a_member_that_declares_what_it_imports_passes(member, capsys):
    assert main(member('import json\n\nimport flask\n')) == 0
    assert capsys.readouterr().err == ''


def test_what_only_comes_along_with_something_else_has_to_be_declared(member, capsys):
    assert main(member('import click\nimport flask\n')) == 1
    assert 'flask-fs-core:\n' in (shown := capsys.readouterr().err)
    assert "'click'" in shown


def test_what_is_declared_and_not_imported_has_to_go(member, capsys):
    assert main(member('import flask\n', '"flask>=2.3", "click>=8"')) == 1
    assert "'click' defined as a dependency but not used" in capsys.readouterr().err


def test_a_sibling_has_to_be_declared_too(member, capsys):
    assert main(member('import flask\nimport flask_fs_s3\n')) == 1
    assert "'flask_fs_s3'" in capsys.readouterr().err
