"""A column type for JSON or text, whose values no query fails to return."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, Dialect, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.type_api import TypeEngine
from sqlalchemy.types import TypeDecorator


class _Undecoded(FunctionElement[Any]):
    """A JSON column as text, where the driver would decode it: Python cannot decode all JSON."""

    name = 'undecoded'
    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        # Read it like the column.
        self.type = column.type


@compiles(_Undecoded)
def _as_it_is(element: _Undecoded, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Undecoded, 'postgresql')
def _as_text(element: _Undecoded, compiler: SQLCompiler, **options: Any) -> str:
    return f'CAST({compiler.process(element.clauses, **options)} AS TEXT)'


class PlainType(TypeDecorator[Any]):
    """A JSON or text column with the values that are in the database. Values that are not JSON are returned as text.

    :param text: Whether it is a text column.
    """

    impl = JSON
    cache_ok = True

    def __init__(self, text: bool = False) -> None:
        super().__init__(none_as_null=True)
        self.text = text
        if text:
            self.impl = Text()  # type: ignore[assignment]  # SQLAlchemy replaces the class by an instance

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == 'postgresql' and not self.text:
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return self.impl_instance

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        decode: Callable[[Any], Any] | None = self.impl_instance.result_processor(dialect, coltype)
        if self.text:
            decode = _form_of_text
        elif dialect.name == 'postgresql':
            decode = _form_of_json

        def process(value: Any) -> Any:
            return self.process_result_value(_decoded(value, decode), dialect)

        return process

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return value

    def column_expression(self, column: Any) -> Any:
        return column if self.text else _Undecoded(column)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or isinstance(value, str) or not self.text else json.dumps(value)


def _decoded(value: Any, decode: Callable[[Any], Any] | None) -> Any:
    """*value*, decoded; unchanged if it is not JSON, since not every database checks the values of a column."""
    if decode is None or value is None:
        return value
    try:
        return decode(value)
    except (ValueError, TypeError, RecursionError):
        return value


def _form_of_json(value: Any) -> Any:
    """*value* decoded from JSON; *value* itself if the driver decoded it, as in a statement that is text."""
    return json.loads(value) if isinstance(value, str) else value


def _form_of_text(text: Any) -> Any:
    """The stored form in a text column: an object or list as JSON, or a plain filename."""
    return json.loads(text) if isinstance(text, str) and text[:1] in ('{', '[') else text
