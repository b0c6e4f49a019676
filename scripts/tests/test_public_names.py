from __future__ import annotations

import re

import pytest

import public_names
from members import IMPORT_PACKAGES, ROOT, Member, members
from public_names import main

PACKAGES = [distribution for distribution, package in IMPORT_PACKAGES.items() if package]


def test_the_public_names_are_those_that_are_kept(capsys):
    assert main([]) == 0, capsys.readouterr().err


@pytest.mark.parametrize('distribution', PACKAGES)
def test_a_name_that_is_gone_and_one_that_is_new_are_told(distribution, monkeypatch, tmp_path, capsys):
    names = public_names.public_names(distribution)
    monkeypatch.setattr(public_names, 'members', lambda: [Member(tmp_path, {'project': {'name': distribution}})])
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'tests' / 'public-names.txt').write_text('\n'.join(['gone', *names[1:]]))

    assert main([]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        f'public-names.txt of {distribution}: - gone',
        f'public-names.txt of {distribution}: + {names[0]}',
    ]
    assert main(['--write']) == 0
    assert main([]) == 0


def test_a_name_stands_with_what_it_takes():
    names = public_names.public_names('flask-fs-core')
    assert 'flask_fs.Storage.write(filename, content, overwrite=..., *, if_match=..., **attributes)' in names
    assert 'flask_fs.IMAGES' in names
    assert 'flask_fs.Capability.ATOMIC_CREATE' in names
    assert not [name for name in names if '._' in name]


def test_a_module_that_users_may_import_says_what_they_may():
    modules = public_names.public_modules()
    assert {'flask_fs', 'flask_fs.settings', 'flask_fs_images', 'flask_fs_testing'} <= set(modules)
    # They are those of the distribution.
    assert 'flask_fs.images' not in modules


def test_what_a_class_has_from_another_one_is_said_once():
    names = public_names.public_names('flask-fs-core') + public_names.public_names('flask-fs-s3')
    assert [name for name in names if name.endswith('.exists(filename)')] == [
        'flask_fs.BaseBackend.exists(filename)',
        'flask_fs.Storage.exists(filename)',
    ]


def test_distributions_import_from_core_what_the_page_names():
    named = set(re.findall(r'`(flask_fs(?:\.\w+)*)`', public_names.PAGE.read_text(encoding='utf-8')))
    imported = {
        (path.relative_to(ROOT).as_posix(), module)
        for member in members()
        if IMPORT_PACKAGES[member.name] not in (None, 'flask_fs')
        for path in (member.folder / 'src').rglob('*.py')
        for module in re.findall(r'^ *from (flask_fs(?:\.\w+)*) import', path.read_text(encoding='utf-8'), re.MULTILINE)
    }
    assert sorted(found for found in imported if found[1] not in named) == []
