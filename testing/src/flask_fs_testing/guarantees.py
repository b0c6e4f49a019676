"""What a check declares: its guarantee, where that is documented, and the capability that it proves."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NoReturn, TypeVar

import pytest

from flask_fs.backends import BaseBackend, Capability

DOCS = 'https://github.com/flask-fs/flask-fs/blob/main/docs/'
#: Topics with their own page.
_PAGES = {'names': 'reference/names.md', 'PREFIX': 'reference/configuration.md'}

F = TypeVar('F', bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The guarantee that a check verifies.

    :param text: The guarantee, in a sentence.
    :param contract: The hook or verb whose documentation makes it.
    :param proves: The capability that the check proves, if it is about one.
    :param cause: What usually breaks it, and the hook to check.
    :param race: Whether a backend that breaks it can pass by luck.
    """

    text: str
    contract: str
    proves: Capability = Capability.NONE
    cause: str = ''
    race: bool = False

    def __str__(self) -> str:
        lines = [self.text, *(f'Contract of {what}: {where}' for what, where in documented_at(self.contract))]
        return '\n'.join([*lines, f'Usual cause: {self.cause}'] if self.cause else lines)


class UndeclaredCapability(UserWarning):
    """A backend supports a capability that it does not declare. This is advice: no check fails, even where warnings are errors."""


def check(
    contract: str, *, proves: Capability = Capability.NONE, cause: str = '', race: bool = False
) -> Callable[[F], F]:
    """Mark a test method as the check of the guarantee in its docstring.

    :param cause: What usually breaks it, and the hook to check, in a sentence or two.
    :param race: Whether a backend that breaks it can pass by luck.
    """

    def mark(function: F) -> F:
        text = ' '.join((inspect.getdoc(function) or '').split())
        function.guarantee = Guarantee(text, contract, proves, cause, race)  # type: ignore[attr-defined]  # read by guarantee_of
        return function

    return mark


def guarantee_of(function: Any) -> Guarantee | None:
    """What *function* checks; None if it is not a check."""
    found = getattr(function, 'guarantee', None)
    return found if isinstance(found, Guarantee) else None


@functools.cache
def checks_of(cls: type) -> Mapping[str, Guarantee]:
    """The checks of a class by name, including those that a subclass overrides with its own test."""
    found = ((name, guarantee_of(vars(base)[name])) for base in reversed(cls.__mro__) for name in vars(base))
    return {name: guarantee for name, guarantee in sorted(found, key=itemgetter(0)) if guarantee}


def documented_at(contract: str) -> list[tuple[str, str]]:
    """Each hook, verb, capability or topic that *contract* names, with the page that documents it."""
    pages = {word: page for word in contract.split() if (page := _page_of(word))}
    return [(word, DOCS + page) for word, page in pages.items()] or [(contract, f'{DOCS}explanation/guarantees.md')]


def _page_of(word: str) -> str | None:
    if word in Capability.__members__:
        return 'reference/capabilities.md#what-each-one-means'
    if word in _PAGES:
        return _PAGES[word]
    if not hasattr(BaseBackend, word):
        return None
    if not callable(getattr(BaseBackend, word)):
        return 'reference/backend-api.md#backend-interface'
    if not word.startswith('_'):
        return 'reference/backend-api.md#documented-methods'
    # Hooks that backends must implement have no default that is right everywhere.
    required = word in ('_open', '_put', '_stat', '_scan', '_remove', '_translate')
    return f'reference/backend-api.md#hooks-{"to-implement" if required else "with-a-default"}'


def declares(backend: BaseBackend, capability: Capability) -> bool:
    """Whether *backend* declares *capability*."""
    return capability in backend.capabilities


def works_undeclared(backend: BaseBackend, capability: Capability) -> None:
    """Warn that *backend* supports *capability*, but does not declare it."""
    message = f'{type(backend).__name__} could declare {capability.name}: it works'
    try:
        warnings.warn(message, UndeclaredCapability, stacklevel=3)
    except UndeclaredCapability:
        # Show it even in a run whose warnings are errors.
        with warnings.catch_warnings():
            warnings.simplefilter('always', UndeclaredCapability)
            warnings.warn(message, UndeclaredCapability, stacklevel=3)


def broken(message: str) -> NoReturn:
    """Fail the check with *message*: what was expected, and what was seen."""
    pytest.fail(message, pytrace=False)
