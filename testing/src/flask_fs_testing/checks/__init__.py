"""The checks, one topic to a module: each a class of test methods that take a ``harness``."""

import pkgutil

import pytest

# They are read by pytest's assertion rewriting, so that a failure shows what was expected and what was seen.
pytest.register_assert_rewrite(*(f'{__name__}.{module.name}' for module in pkgutil.iter_modules(__path__)))
