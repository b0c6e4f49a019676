"""Which versions proved a backend, on which system, and when."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterable


class Versions:
    """The versions of the kit, core and Python in this process."""

    def __init__(self) -> None:
        # https://reproducible-builds.org/specs/source-date-epoch/
        epoch = os.environ.get('SOURCE_DATE_EPOCH')
        now = datetime.datetime.now(datetime.timezone.utc)
        when = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc) if epoch else now
        self._common = {
            'kit': importlib.metadata.version('flask-fs-testing'),
            'core': importlib.metadata.version('flask-fs-core'),
            'python': f'{platform.python_implementation()} {platform.python_version()}',
            'system': platform.system(),
            'when': when.strftime('%Y-%m-%d %H:%M UTC'),
        }
        # Not packages_distributions(), which does not find editable installs.
        self._distributions = {
            entry_point.module.partition('.')[0]: f'{entry_point.dist.name} {entry_point.dist.version}'
            for group in ('storage.backend', 'fs.backend')
            for entry_point in importlib.metadata.entry_points(group=group)
            # The version of core is listed separately.
            if entry_point.dist is not None and entry_point.dist.name != 'flask-fs-core'
        }

    def of(self, modules: Iterable[str]) -> dict[str, str]:
        """All versions for a backend whose class and bases are from *modules*; its own is that of the first with an entry point."""
        packages = (module.partition('.')[0] for module in modules)
        own = next((self._distributions[package] for package in packages if package in self._distributions), None)
        return self._common | ({'backend': own} if own else {})


def sentence(run: dict[str, str]) -> str:
    """What :meth:`Versions.of` returned, as a sentence."""
    if not run:
        return ''
    backend = f'{run["backend"]} ' if 'backend' in run else ''
    return (
        f'{backend}proved by flask-fs-testing {run["kit"]} with flask-fs-core {run["core"]} '
        f'on {run["python"]} ({run["system"]}), {run["when"]}'
    )
