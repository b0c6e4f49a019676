"""The error of a documented import path whose distribution is not installed."""

from __future__ import annotations


def missing_distribution_error(error: ModuleNotFoundError, distribution: str) -> ImportError:
    """The error to raise for *error*: one that names the pip command, if it is *distribution* itself that is missing."""
    package = distribution.replace('-', '_')
    if error.name != package:
        return error
    return ImportError(f'this needs the distribution {distribution}: pip install {distribution}', name=package)
