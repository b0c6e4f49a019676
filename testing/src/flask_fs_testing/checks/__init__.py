"""The checks, one module for each topic, with a class of test methods that use the fixture ``harness``."""

import pkgutil

import pytest

# pytest rewrites their assertions, so that a failure shows the expected and the actual value.
pytest.register_assert_rewrite(*(f'{__name__}.{module.name}' for module in pkgutil.iter_modules(__path__)))
