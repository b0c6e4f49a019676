"""Start or stop the servers of compose.yaml, and print the environment variables that select them for tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from members import ROOT

__all__ = ['main', 'variables']

COMMANDS = {
    'start': ['docker', 'compose', 'up', '--detach', '--wait'],
    'stop': ['docker', 'compose', 'down', '--volumes'],
}


def variables() -> list[str]:
    """The settings in the comments above each service of compose.yaml, such as ``FS_TEST_MONGO_URL=...``."""
    text = (ROOT / 'compose.yaml').read_text(encoding='utf-8')
    return re.findall(r'(?m)^ *# (FS_TEST_\w+=\S+)$', text)


def has_compose() -> bool:
    """Whether Docker and its plugin compose, a separate package, are installed."""
    if shutil.which('docker') is None:
        return False
    return subprocess.run(['docker', 'compose', 'version'], capture_output=True, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """The exit code of Docker."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f'Pass one of: {", ".join(COMMANDS)}', file=sys.stderr)
        return 2
    if not has_compose():
        print(
            'Docker with its plugin compose is not installed. Install both, or run the tests without them: the tests then '
            'start servers that pip installs. See docs/how-to/run-real-servers.md.',
            file=sys.stderr,
        )
        return 1
    [command] = arguments
    code = subprocess.run(COMMANDS[command], cwd=ROOT, check=False).returncode
    if command == 'start' and not code:
        print('To run the tests with these servers, set these variables in your shell:\n')
        for variable in variables():
            print(f'export {variable}')
    return code


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
