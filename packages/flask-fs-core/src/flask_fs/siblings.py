"""The error of a documented import path whose distribution is not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator


@contextlib.contextmanager
def requires(distribution: str) -> Generator[None]:
    """Around the import of what *distribution* offers: if that is missing, the error names the pip command."""
    package = distribution.replace('-', '_')
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(
            f'this needs the distribution {distribution}: pip install {distribution}', name=package
        ) from error
