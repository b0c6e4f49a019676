"""The templates in this package. Values that are filled in are escaped."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_environment = Environment(
    loader=PackageLoader('flask_fs_testing.report', 'templates'),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    """The *template* of that name, filled in."""
    return _environment.get_template(template).render(values)
