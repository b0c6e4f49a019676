"""What an application knows of the databases that refer to its files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flask import Flask

import flask_fs as fs
from flask_fs.consistency.sources import add_source, relative_names, sources_of, storage_itself, whole_name


def test_each_application_has_its_own_sources() -> None:
    one, two, source = Flask('one'), Flask('two'), SimpleNamespace()
    added: Any = source
    add_source(one, added)
    assert sources_of(one) == [source]
    assert sources_of(two) == []


def test_a_source_that_equals_another_replaces_it() -> None:
    app = Flask('app')
    first: Any = SimpleNamespace(engine=1)
    again: Any = SimpleNamespace(engine=1)
    other: Any = SimpleNamespace(engine=2)
    for source in (first, other, again):
        add_source(app, source)
    assert [id(source) for source in sources_of(app)] == [id(other), id(again)]


def test_names_of_a_view_are_compared_with_those_of_its_storage() -> None:
    storage = fs.Storage('files', fs.ALL)
    view = storage.scoped('tenants/7')
    assert storage_itself(view) is storage_itself(storage) is storage
    assert whole_name(view, 'a.txt') == 'tenants/7/a.txt'
    assert whole_name(storage, 'a.txt') == 'a.txt'
    assert relative_names(view, ['tenants/7/a.txt', 'tenants/70/a.txt', 'a.txt']) == {'a.txt': 'tenants/7/a.txt'}
    assert relative_names(storage, {'a.txt'}) == {'a.txt': 'a.txt'}
