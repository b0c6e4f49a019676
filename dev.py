#!/usr/bin/env python3
"""Run the project's commands in a private environment, made on first use in ``.dev/``.

Needs Python 3.10 or newer and nothing else. ``python3 dev.py`` lists the commands; words after a command are passed on.
Deleting ``.dev/`` is always safe: the next command makes it again.
"""

# An older Python has to get as far as the message about its age, so the syntax stays that of 3.8.
from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

ROOT = Path(__file__).resolve().parent
DEV = ROOT / '.dev'
#: What the example application is made of.
DEMO_MEMBERS = [ROOT / 'packages' / name for name in ('flask-fs-core', 'flask-fs-images')]

# Exact versions, so that one commit means one set of tools everywhere. Changing them renews the environment.
TOOLS = ['hatch==1.18.2', 'uv==0.13.9']

COMMANDS = {
    'demo': 'start the example application',
    'test': 'the tests that need no server, no browser and no patience; with a path, all tests there; words go to pytest',
    'test-all': 'all tests on this Python; words go to pytest',
    'matrix': 'the tests of the distributions on every other Python found, but not the slow ones',
    'lowest': 'the same on the wheels of dist/, with the oldest libraries they allow, on the oldest Python',
    'cover': 'all tests on this Python, with coverage',
    'qa': 'lint and types',
    'lint': 'format, style, import rules, requirements, versions, changelog fragments',
    'types': 'mypy and pyright',
    'format': "rewrite the sources in the project's format",
    'doc': 'build the documentation into docs/_build/html',
    'dist': 'build every distribution into dist/, check it, install it as users do',
    'report': 'run the conformance kit on every backend and server, and record what it saw for the documentation',
    'mutants': 'run every check of the kit on every broken backend, and print what it caught; --help lists the options',
    'kills': 'kill 1,000 processes that store files of rows, and check what gc makes of the rest; --help lists the options',
    'public-names': 'compare the public names with the lists kept; --write renews the lists',
    'start': 'start the servers of compose.yaml, with Docker',
    'stop': 'stop them',
    'new-backend': 'start a distribution of your own; needs NAME FOLDER',
    'changelog': 'fold changes/ into CHANGELOG.md; needs --version X.Y.Z',
    'release': 'what is left to do for a release, up to the upload',
    'all': 'everything at once: qa, doc, dist, lowest, matrix, test-all',
    'hatch': 'hatch itself; further words go to hatch',
    'clean': 'delete everything that these commands made',
}

MADE = [
    '.coverage',
    '.coverage-html',
    '.hypothesis',
    '.import_linter_cache',
    '.mypy_cache',
    '.pytest_cache',
    '.ruff_cache',
    'dist',
    'docs/_build',
    '.dev',
]


class Failed(Exception):
    """What went wrong and how to mend it, for the user."""


def main(arguments: list[str]) -> int:
    """Run one command; the exit code is the command's own."""
    if sys.version_info < (3, 10):
        raise Failed(
            'Flask-FS needs Python 3.10 or newer, and this is {}.{} ({}).\n'
            'Start dev.py with a newer one, such as: python3.12 dev.py'.format(*sys.version_info[:2], sys.executable)
        )
    if not arguments or arguments[0] in ('-h', '--help', 'help'):
        print(usage())
        return 0
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        raise Failed(f'There is no command {command!r}.\n\n{usage()}')
    if command == 'clean':
        return clean()
    if command == 'demo':
        return demo(rest)
    if command == 'new-backend':
        # Here, where a relative folder means what the user says, and without an environment, as it needs none.
        script = ROOT / 'testing' / 'src' / 'flask_fs_testing' / 'new_backend.py'
        return subprocess.run([sys.executable, str(script), *rest], check=False).returncode
    tools = environment('tools', TOOLS)
    hatch = str(program(tools, 'hatch'))
    line = [hatch, *rest] if command == 'hatch' else [hatch, 'run', command, *rest]
    return replace_by(line, settings(tools))


def usage() -> str:
    """The list of commands, one a line."""
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {text}' for name, text in COMMANDS.items()]
    return '\n'.join(['usage: python3 dev.py COMMAND [ARGUMENT...]', '', *lines])


def demo(arguments: list[str]) -> int:
    """Start the example application with what it needs and no more: a first look should take seconds."""
    app = ROOT / 'examples' / 'demo' / 'app.py'
    requirements = [word for member in DEMO_MEMBERS for word in ('--editable', str(member))]
    folder = environment('demo', requirements, depends_on=[member / 'pyproject.toml' for member in DEMO_MEMBERS])
    return replace_by([str(program(folder, 'python')), str(app), *arguments], dict(os.environ))


def clean() -> int:
    """Delete what the commands made. The virtual environments go with .dev/."""
    for name in MADE:
        path = ROOT / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
    for parallel_data in ROOT.glob('.coverage.*'):
        parallel_data.unlink()
    return 0


# The private environments


def environment(name: str, requirements: list[str], depends_on: Sequence[Path] = ()) -> Path:
    """The folder of the environment ``.dev/NAME``, made or renewed if need be.

    The mark is removed first and written last, so an environment that was broken off half-way is made anew.
    """
    folder = DEV / name
    mark = folder / '.complete'
    wanted = fingerprint(requirements, depends_on)
    python = program(folder, 'python')

    def is_ready() -> bool:
        # exists() follows the link to the base Python: false once that one was uninstalled.
        return mark.is_file() and mark.read_text() == wanted and python.exists()

    if is_ready():
        return folder
    with alone():
        if not is_ready():
            say(f'Making {folder.relative_to(ROOT)} (once) ...')
            if mark.exists():
                mark.unlink()
            if folder.exists():
                shutil.rmtree(folder)
            install(folder, python, requirements)
            mark.write_text(wanted)
    return folder


@contextlib.contextmanager
def alone() -> Generator[None, None, None]:
    """Wait until no other dev.py makes an environment, nor a pip that outlived one that was killed."""
    DEV.mkdir(exist_ok=True)
    with (DEV / 'lock').open('w') as lock:
        if fcntl is not None:
            # Inherited by pip (see run), which so keeps the lock for as long as it writes.
            os.set_inheritable(lock.fileno(), True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(requirements: list[str], depends_on: Sequence[Path]) -> str:
    """Changes when the environment has to be made anew."""
    digest = hashlib.sha256()
    for part in [sys.version, sys.base_prefix, str(ROOT), *requirements]:
        digest.update(part.encode() + b'\0')
    for path in depends_on:
        digest.update(path.read_bytes() + b'\0')
    return digest.hexdigest()


def install(folder: Path, python: Path, requirements: list[str]) -> None:
    """Make a virtual environment and install *requirements* into it.

    This Python's own pip can install into another environment, which spares the seconds that ensurepip takes and works
    where ensurepip is not there. Debian packages pip and ensurepip apart from Python, so either may be missing.
    """
    pip_here = can_import('pip')
    if not pip_here and not can_import('ensurepip'):
        raise Failed(how_to_get_venv())
    make = [sys.executable, '-m', 'venv', str(folder)]
    run([*make, '--without-pip'] if pip_here else make)
    pip = [sys.executable, '-m', 'pip', '--python', str(python)] if pip_here else [str(python), '-m', 'pip']
    # -qq: errors only. Warnings would be about this machine's pip settings.
    arguments = ['install', '-qq', '--disable-pip-version-check', '--no-input', *requirements]
    try:
        run([*pip, *arguments])
    except Failed:
        if not pip_here or not can_import('ensurepip'):
            raise
        # A pip older than 22.3 has no --python; the environment can have a pip of its own.
        say('Trying again with a pip inside the environment ...')
        shutil.rmtree(folder)
        run(make)
        run([str(python), '-m', 'pip', *arguments])


def can_import(module: str) -> bool:
    """Whether *module* works in the Python that runs this script."""
    call = [sys.executable, '-c', f'import {module}']
    return subprocess.run(call, stderr=subprocess.DEVNULL, check=False).returncode == 0


def how_to_get_venv() -> str:
    """What to do where neither pip nor ensurepip is installed."""
    return (
        f'{sys.executable} has neither pip nor ensurepip, and one of them is needed to make an environment.\n'
        'On Debian and Ubuntu:  apt install python3-venv\n'
        'Elsewhere: install pip for this Python, or start dev.py with another one.'
    )


def run(line: list[str]) -> None:
    """Run *line*; raise Failed if it fails."""
    # A user's pip settings must not lead the installation out of the environment.
    variables = {**os.environ, 'PIP_USER': '0', 'PIP_REQUIRE_VIRTUALENV': '0'}
    for name in ('PIP_TARGET', 'PIP_PREFIX'):
        variables.pop(name, None)
    result = subprocess.run(line, env=variables, close_fds=False, check=False)
    if result.returncode:
        raise Failed(f'This command failed with exit code {result.returncode}:\n  {" ".join(line)}')


def program(folder: Path, name: str) -> Path:
    """The path of a program in the virtual environment *folder*."""
    return folder / 'Scripts' / f'{name}.exe' if os.name == 'nt' else folder / 'bin' / name


# The settings of hatch and uv


def settings(tools: Path) -> dict[str, str]:
    """The environment variables under which hatch runs."""
    variables = dict(os.environ)
    config = DEV / 'hatch.toml'
    config.touch()
    # Everything of hatch stays in .dev/, and no user's own hatch settings change what a command does.
    variables['HATCH_CONFIG'] = str(config)
    # Inside the tools' environment, so that hatch's environments are renewed with it, as after a change of Python.
    variables['HATCH_DATA_DIR'] = str(tools / 'hatch')
    variables['HATCH_CACHE_DIR'] = str(tools / 'hatch-cache')
    variables['HATCH_ENV_TYPE_VIRTUAL_UV_PATH'] = str(program(tools, 'uv'))
    variables['PYRIGHT_PYTHON_CACHE_DIR'] = str(DEV / 'pyright')
    # Tests that wait for servers leave processors idle.
    variables.setdefault('PYTEST_XDIST_AUTO_NUM_WORKERS', str((os.cpu_count() or 1) * 2))
    # Each module and each test file is compiled once, by whichever of the many processes comes first, and beside no source.
    variables['PYTHONPYCACHEPREFIX'] = str(DEV / 'pycache')
    variables.pop('PYTHONDONTWRITEBYTECODE', None)
    variables.pop('VIRTUAL_ENV', None)
    variables['PATH'] = os.pathsep.join([str(program(tools, 'hatch').parent), *search_path()])
    for name, value in network_settings(variables).items():
        variables.setdefault(name, value)
    return variables


def network_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Uv and Node read no pip settings: pass on pip's certificates and package index."""
    passed_on = {'UV_SYSTEM_CERTS': '1'}
    translations = [
        ('PIP_CERT', 'SSL_CERT_FILE'),
        ('PIP_CERT', 'NODE_EXTRA_CA_CERTS'),
        ('PIP_INDEX_URL', 'UV_DEFAULT_INDEX'),
        ('PIP_EXTRA_INDEX_URL', 'UV_INDEX'),
    ]
    for source, target in translations:
        if variables.get(source):
            passed_on[target] = variables[source]
    return passed_on


def search_path() -> list[str]:
    """PATH with pyenv's shims replaced by the Pythons behind them.

    A shim fails unless its version is selected, yet hides a later one on PATH that would work.
    """
    folders = [entry for entry in os.environ.get('PATH', '').split(os.pathsep) if entry]
    pyenv = pyenv_root()
    if pyenv is None:
        return folders
    versions = sorted(pyenv.glob('versions/3.*/bin'), key=version_of, reverse=True)
    usable = [str(folder) for folder in versions if version_of(folder) >= (3, 10)]
    shims = (pyenv / 'shims').resolve()
    # After the user's other folders, so that `python3` stays what it was.
    return [entry for entry in folders if Path(entry).resolve() != shims] + usable


def pyenv_root() -> Path | None:
    """The folder in which pyenv keeps its Pythons, if there is one."""
    root = os.environ.get('PYENV_ROOT')
    if not root and shutil.which('pyenv'):
        done = subprocess.run(['pyenv', 'root'], stdout=subprocess.PIPE, text=True, check=False)
        root = done.stdout.strip()
    folder = Path(root) if root else Path.home() / '.pyenv'
    return folder if (folder / 'versions').is_dir() else None


def version_of(folder: Path) -> tuple[int, ...]:
    """The version in the name of a pyenv folder such as ``versions/3.12.1/bin``."""
    return tuple(int(number) for number in re.findall(r'\d+', folder.parent.name))


# Small things


def replace_by(line: list[str], variables: dict[str, str]) -> int:
    """Become *line*, so that signals and the exit code are its own."""
    sys.stdout.flush()
    os.chdir(str(ROOT))
    if os.name != 'nt':
        os.execve(line[0], line, variables)
    return subprocess.run(line, env=variables, check=False).returncode


def say(text: str) -> None:
    """Tell the user, on stderr: stdout is the command's."""
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as error:
        say(f'dev.py: {error}')
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
