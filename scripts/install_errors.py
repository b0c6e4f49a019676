"""Why an installation failed, in a sentence that names the fix, from what pip, uv, or a compiler printed."""

from __future__ import annotations

import re
import sys

__all__ = ['NO_VENV', 'fix_for']

NO_VENV = (
    f'{sys.executable} lacks the modules that create environments: venv, and pip or ensurepip.\n'
    'On Debian and Ubuntu, run: apt install python3-venv\n'
    'On other systems, install pip for this Python, or run dev.py with another Python.'
)

#: Ordered from the specific to the general: a full disk or a missing certificate also looks like a failed download.
FIXES = [
    (
        r'No space left on device|Errno 28\b|os error 28\b|Disk quota exceeded',
        (
            'The disk is full. All environments together need about 2 GB in .dev/ and in the temporary folder. Free some '
            'space, or set TMPDIR to a folder on another disk.'
        ),
    ),
    (
        r'CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer',
        (
            'The package index has a certificate that this machine does not trust. If your network has its own certificate '
            'authority, set PIP_CERT to the path of its certificate file (PEM).'
        ),
    ),
    (
        r'\bPython\.h\b',
        (
            'A package must be compiled, and the Python headers are missing.\n'
            'On Debian and Ubuntu, run: apt install python3-dev\n'
            'On Fedora, run: dnf install python3-devel'
        ),
    ),
    (
        r"(command|execute) '?\S*(gcc|clang|cc|g\+\+)'?( failed)?: No such file",
        (
            'A package must be compiled, and there is no C compiler.\n'
            'On Debian and Ubuntu, run: apt install build-essential python3-dev\n'
            'On macOS, run: xcode-select --install'
        ),
    ),
    (r'ensurepip is not available|No module named .?(venv|ensurepip)\b', NO_VENV),
    (
        r'Read-only file system|Permission denied|Errno 13\b|os error 13\b',
        (
            'The folder .dev/ cannot be written. Check who owns the clone; if an earlier command ran with sudo, delete '
            '.dev/ with sudo once, and run dev.py without it.'
        ),
    ),
    (
        (
            r'NewConnectionError|Temporary failure in name resolution|Name or service not known|Connection refused'
            r'|Network is unreachable|ProxyError|ConnectTimeout|Read ?[Tt]ime(d )?out|error sending request|dns error'
            r'|[Ff]ailed to (fetch|download)|operation timed out|from versions: none'
        ),
        (
            'The package index cannot be reached. Check your network connection. Behind a proxy, set HTTPS_PROXY. To use a '
            'mirror, set PIP_INDEX_URL.'
        ),
    ),
]


def fix_for(output: str) -> str | None:
    """The cause of a failed installation and its fix, or None if *output* shows no known cause."""
    return next((fix for pattern, fix in FIXES if re.search(pattern, output)), None)
