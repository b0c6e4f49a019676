"""The error for a documented import path whose distribution is not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator


@contextlib.contextmanager
def requires(distribution: str) -> Generator[None]:
    """Wrap an import from *distribution*: if it isn't installed, raise an error with the pip command."""
    package = distribution.replace('-', '_')
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(f'this import needs {distribution}: pip install {distribution}', name=package) from error
