"""Which versions proved a backend, on what, and when."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterable


class Versions:
    """Those of the kit, of core and of Python in this process."""

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
        self._distributions = importlib.metadata.packages_distributions()

    def of(self, modules: Iterable[str]) -> dict[str, str]:
        """All versions for a backend whose class, and its bases, are from *modules*; the first distribution is the backend's."""
        for module in modules:
            for distribution in self._distributions.get(module.partition('.')[0], ()):
                return self._common | {'backend': f'{distribution} {importlib.metadata.version(distribution)}'}
        return dict(self._common)


def sentence(run: dict[str, str]) -> str:
    """What :meth:`Versions.of` gave, in words."""
    if not run:
        return ''
    backend = f'{run["backend"]} ' if 'backend' in run else ''
    return (
        f'{backend}proved by flask-fs-testing {run["kit"]} with flask-fs-core {run["core"]} '
        f'on {run["python"]} ({run["system"]}), {run["when"]}'
    )
