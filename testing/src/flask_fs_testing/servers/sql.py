"""The base class of SQL database servers: programs of the system, a data folder and a password."""

from __future__ import annotations

import abc
import secrets
from typing import ClassVar

from .base import Server, program
from .errors import ServerDied
from .services import SQLService
from .users import locked_out, run_as

__all__ = ['SQLServer']


class SQLServer(Server[SQLService]):
    """A database server with its own data, user and password. If the tests run as root, it runs as ``nobody``."""

    refuses_root: ClassVar[bool] = True
    #: The required programs.
    programs: ClassVar[tuple[str, ...]]

    def __init__(self, *, deadline_s: float = 60) -> None:
        super().__init__(deadline_s=deadline_s)
        self._password = f'key{secrets.token_hex(16)}'
        self._port = 0

    @classmethod
    def missing(cls) -> str | None:
        if lacking := [name for name in cls.programs if cls._program(name) is None]:
            return (
                f'{cls.name} is not installed (no program {" and no ".join(lacking)}). Install it with: {cls.install}'
            )
        return f'{cls.name} cannot run: {reason}' if (reason := locked_out()) else None

    @classmethod
    @abc.abstractmethod
    def _folders(cls) -> list[str]:
        """The folders of its programs, if they are not on PATH."""

    @classmethod
    def _program(cls, name: str) -> str | None:
        return program(name, cls._folders())

    def _make_data(self, name: str, *options: str) -> None:
        """Create the data folder by running the program *name*.

        :raises ServerDied: If it fails.
        """
        made = run_as(self.user, [str(self._program(name)), *options], self.folder, self.deadline_s)
        if made.returncode:
            raise ServerDied(f'{self.name} did not start: {name} could not create its data.\n{made.stdout}')
