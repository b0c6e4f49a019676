#!/usr/bin/env python3
"""Run the project's commands in a private environment, which the first run creates in ``.dev/``.

It needs only Python 3.10 or newer. ``python3 dev.py`` lists the commands and passes arguments on to them. You can always
delete ``.dev/``: the next command creates it again.
"""

import sys

# An older Python must get as far as this message, so the syntax of this file stays that of Python 3.6.
if sys.version_info < (3, 10):
    sys.exit(
        'dev.py: Flask-FS needs Python 3.10 or newer, and this is Python {}.{} ({}).\n'
        'Run dev.py with a newer Python, for example: python3.12 dev.py'.format(*sys.version_info[:2], sys.executable)
    )

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / 'scripts'))

from install_errors import NO_VENV, fix_for
from progress import duration, run_to_end, run_with_status, say

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module on other systems

ROOT = Path(__file__).resolve().parent
DEV = ROOT / '.dev'
#: The packages that the demo uses.
DEMO_MEMBERS = [ROOT / 'packages' / name for name in ('flask-fs-core', 'flask-fs-images')]

# Exact versions, so that a commit has the same tools everywhere. A new version recreates the environment.
TOOLS = ['hatch==1.18.2', 'uv==0.13.9']

COMMANDS = {
    'demo': 'start the example application',
    'test': 'run the tests that need no server or browser; with a path, all tests there; options go to pytest',
    'test-all': 'run all tests on this Python; options go to pytest',
    'matrix': 'run the quick tests of the packages on every other Python installed',
    'lowest': 'run the same tests on the wheels in dist/, on the oldest Python, with the oldest libraries they allow',
    'cover': 'run all tests on this Python with coverage',
    'qa': 'check style and types: lint, then types',
    'lint': 'check format, style, import rules, requirements, versions, and changelog fragments',
    'types': 'check types with mypy and pyright',
    'format': 'format the source code',
    'doc': 'build the documentation into docs/_build/html',
    'dist': 'build every distribution into dist/, check it, and test its installation',
    'report': 'run the conformance kit on every backend and server, and record the results for the documentation',
    'mutants': 'run every check of the kit on every broken backend, and print which it detects; see --help',
    'kills': 'kill 1,000 processes that store files for rows, and check that gc cleans up; see --help',
    'public-names': 'compare the public names with the recorded lists; --write updates the lists',
    'start': 'start the servers of compose.yaml with Docker',
    'stop': 'stop these servers',
    'new-backend': 'create a distribution for a new backend; needs NAME FOLDER',
    'changelog': 'move the fragments in changes/ into CHANGELOG.md; needs --version X.Y.Z',
    'set-version': 'give all packages a version; needs X.Y.Z',
    'release': 'list what is missing for a release, or the last steps',
    'all': 'run everything in parallel: qa, doc, dist, lowest, matrix, test-all',
    'hatch': 'run hatch itself; all arguments go to hatch',
    'clean': 'delete everything that these commands created',
}

#: The environments of hatch that a command uses besides `default`.
ENVIRONMENTS = {
    'all': ('lint', 'types', 'docs', 'wheels'),
    'changelog': ('docs',),
    'dist': ('wheels',),
    'doc': ('docs',),
    'format': ('lint',),
    'lint': ('lint',),
    'lowest': ('wheels',),
    'qa': ('lint', 'types'),
    'types': ('types',),
}

#: What to do after a command has passed.
NEXT = {
    'all': 'The distributions are in dist/. Before you open a pull request, see CONTRIBUTING.md.',
    'cover': 'Open .coverage-html/index.html.',
    'dist': 'The distributions are in dist/.',
    'doc': 'Open docs/_build/html/index.html.',
    'format': 'Next: python3 dev.py qa',
    'qa': 'Next: python3 dev.py all runs everything, as CI does.',
    'test': 'Next: python3 dev.py qa checks style and types; python3 dev.py test-all also runs the slow tests.',
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
    """What went wrong and how to fix it, for the user."""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
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
        # It needs no environment. Run it in the user's folder, so that a relative FOLDER is resolved there.
        script = ROOT / 'testing' / 'src' / 'flask_fs_testing' / 'new_backend.py'
        return subprocess.run([sys.executable, str(script), *rest], check=False).returncode
    tools = environment('tools', TOOLS)
    hatch = str(program(tools, 'hatch'))
    variables = settings(tools)
    if command == 'hatch':
        return replace_by([hatch, *rest], variables)
    prepare(tools, ('default', *ENVIRONMENTS.get(command, ())), variables)
    began = time.monotonic()
    code = run_to_end([hatch, 'run', command, *rest], variables, cwd=str(ROOT))
    say(summary(command, rest, code, time.monotonic() - began))
    return code


def usage() -> str:
    """The list of commands, one per line."""
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {text}' for name, text in COMMANDS.items()]
    return '\n'.join(['usage: python3 dev.py COMMAND [ARGUMENT...]', '', *lines])


def summary(command: str, arguments: list[str], code: int, seconds: float) -> str:
    """One line that says how *command* ended, how long it took, and what to do next."""
    if code == 130:
        return f'\ndev.py: {command} interrupted after {duration(seconds)}.'
    if code:
        again = shlex.join(['python3', 'dev.py', command, *arguments])
        failed = f'dev.py: {command} failed after {duration(seconds)} (exit code {code}).'
        return f'{failed} Fix what is reported above, then run: {again}'
    return f'dev.py: {command} passed in {duration(seconds)}. {NEXT.get(command, "")}'.rstrip()


def demo(arguments: list[str]) -> int:
    """Start the example application with only the packages it needs, so that it runs within seconds."""
    app = ROOT / 'examples' / 'demo' / 'run.py'
    requirements = [word for member in DEMO_MEMBERS for word in ('--editable', str(member))]
    folder = environment('demo', requirements, depends_on=[member / 'pyproject.toml' for member in DEMO_MEMBERS])
    say('Starting the demo ...')
    return replace_by([str(program(folder, 'python')), str(app), *arguments], dict(os.environ))


def clean() -> int:
    """Delete what the commands created, including the virtual environments in .dev/."""
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
    """The folder of the environment ``.dev/NAME``, which is created or recreated if necessary.

    The mark is removed first and written last, so an environment whose creation was interrupted is created again.
    """
    folder = DEV / name
    mark = folder / '.complete'
    wanted = fingerprint(requirements, depends_on)
    python = program(folder, 'python')

    def is_ready() -> bool:
        # exists() follows the link to the base Python, so it is false after that Python was uninstalled.
        return mark.is_file() and mark.read_text() == wanted and python.exists()

    if is_ready():
        return folder
    with alone():
        if not is_ready():
            began = time.monotonic()
            say(f'Creating the environment {folder.relative_to(ROOT)} (first run only) ...')
            if mark.exists():
                mark.unlink()
            if folder.exists():
                shutil.rmtree(folder)
            install(folder, python, requirements)
            mark.write_text(wanted)
            say(f'Created in {duration(time.monotonic() - began)}.')
    return folder


def prepare(tools: Path, names: Sequence[str], variables: Mapping[str, str]) -> None:
    """Install hatch's environments *names*, unless they are up to date, and explain a failure."""
    described = [ROOT / 'hatch.toml', *sorted(ROOT.glob('packages/*/pyproject.toml')), ROOT / 'testing/pyproject.toml']
    for name in names:
        mark = tools / f'{name}.prepared'
        wanted = fingerprint([name], described)
        if mark.is_file() and mark.read_text() == wanted:
            continue
        began = time.monotonic()
        say(f'Installing the environment {name!r} (first run, or changed requirements) ...')
        line = [str(program(tools, 'hatch')), 'run', f'{name}:python', '--version']
        run(line, variables)
        mark.write_text(wanted)
        say(f'Installed in {duration(time.monotonic() - began)}.')


@contextlib.contextmanager
def alone() -> Generator[None, None, None]:
    """Wait until no other dev.py creates an environment, nor a pip whose dev.py was killed."""
    DEV.mkdir(exist_ok=True)
    with (DEV / 'lock').open('w') as lock:
        if fcntl is not None:
            # pip inherits it (see run_with_status), and so holds the lock as long as it writes.
            os.set_inheritable(lock.fileno(), True)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say('Waiting for another dev.py that is creating an environment ...')
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(requirements: list[str], depends_on: Sequence[Path]) -> str:
    """A text that changes when the environment must be recreated."""
    digest = hashlib.sha256()
    for part in [sys.version, sys.base_prefix, str(ROOT), *requirements]:
        digest.update(part.encode() + b'\0')
    for path in depends_on:
        digest.update(path.read_bytes() + b'\0')
    return digest.hexdigest()


def install(folder: Path, python: Path, requirements: list[str]) -> None:
    """Create a virtual environment and install *requirements* into it.

    The pip of this Python can install into another environment, which saves the seconds that ensurepip takes, and works
    without ensurepip. Debian packages pip and ensurepip separately from Python, so either can be missing.
    """
    pip_here = can_import('pip')
    if not can_import('venv') or not (pip_here or can_import('ensurepip')):
        raise Failed(NO_VENV)
    # The settings of a user's pip must not redirect the installation to another place.
    variables = {**os.environ, 'PIP_USER': '0', 'PIP_REQUIRE_VIRTUALENV': '0'}
    for name in ('PIP_TARGET', 'PIP_PREFIX'):
        variables.pop(name, None)
    make = [sys.executable, '-m', 'venv', str(folder)]
    run([*make, '--without-pip'] if pip_here else make, variables)
    pip = [sys.executable, '-m', 'pip', '--python', str(python)] if pip_here else [str(python), '-m', 'pip']
    arguments = ['install', '--progress-bar', 'off', '--disable-pip-version-check', '--no-input', *requirements]
    names = [Path(word).name for word in requirements if not word.startswith('-')]
    say(f'Installing {", ".join(names)}, and what they require ...')
    try:
        run([*pip, *arguments], variables)
    except Failed as error:
        # pip before 22.3 has no --python.
        if 'no such option' not in str(error) or not can_import('ensurepip'):
            raise
        say('Retrying with a pip inside the environment ...')
        shutil.rmtree(folder)
        run(make, variables)
        run([str(python), '-m', 'pip', *arguments], variables)


def can_import(module: str) -> bool:
    """Whether *module* works in the Python that runs this script."""
    call = [sys.executable, '-c', f'import {module}']
    return subprocess.run(call, stderr=subprocess.DEVNULL, check=False).returncode == 0


def run(line: list[str], variables: Mapping[str, str]) -> None:
    """Run *line*, which installs something; if it fails, raise Failed with its output and the fix."""
    code, output = run_with_status(line, variables)
    if code:
        failed = f'This command failed with exit code {code}:\n  {" ".join(line)}'
        fix = fix_for(output) or 'The lines above say why. Then run the same command again.'
        raise Failed(f'{failed}\n\n{output.strip()}\n\n{fix}')


def program(folder: Path, name: str) -> Path:
    """The path of a program in the virtual environment *folder*."""
    return folder / 'Scripts' / f'{name}.exe' if os.name == 'nt' else folder / 'bin' / name


# The settings of hatch and uv


def settings(tools: Path) -> dict[str, str]:
    """The environment variables for hatch."""
    variables = dict(os.environ)
    config = DEV / 'hatch.toml'
    config.touch()
    # hatch keeps everything in .dev/, and a user's hatch settings do not change what a command does.
    variables['HATCH_CONFIG'] = str(config)
    # In the environment of the tools, so that hatch's environments are recreated with it, such as for another Python.
    variables['HATCH_DATA_DIR'] = str(tools / 'hatch')
    variables['HATCH_CACHE_DIR'] = str(tools / 'hatch-cache')
    variables['HATCH_ENV_TYPE_VIRTUAL_UV_PATH'] = str(program(tools, 'uv'))
    variables['PYRIGHT_PYTHON_CACHE_DIR'] = str(DEV / 'pyright')
    # Tests that wait for servers leave processors idle.
    variables.setdefault('PYTEST_XDIST_AUTO_NUM_WORKERS', str((os.cpu_count() or 1) * 2))
    # The first of many processes compiles a module for all, and puts nothing next to the source.
    variables['PYTHONPYCACHEPREFIX'] = str(DEV / 'pycache')
    variables.pop('PYTHONDONTWRITEBYTECODE', None)
    variables.pop('VIRTUAL_ENV', None)
    variables['PATH'] = os.pathsep.join([str(program(tools, 'hatch').parent), *search_path()])
    for name, value in network_settings(variables).items():
        variables.setdefault(name, value)
    return variables


def network_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Certificates and package index of pip, as settings of uv and Node, which do not read pip's."""
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
    """PATH with the Pythons of pyenv instead of its shims.

    A shim fails unless its version is selected, but hides a Python later on PATH that works.
    """
    folders = [entry for entry in os.environ.get('PATH', '').split(os.pathsep) if entry]
    pyenv = pyenv_root()
    if pyenv is None:
        return folders
    versions = sorted(pyenv.glob('versions/3.*/bin'), key=version_of, reverse=True)
    usable = [str(folder) for folder in versions if version_of(folder) >= (3, 10)]
    shims = (pyenv / 'shims').resolve()
    # After the user's other folders, so that `python3` stays the same.
    return [entry for entry in folders if Path(entry).resolve() != shims] + usable


def pyenv_root() -> Path | None:
    """The folder where pyenv keeps its Pythons, if there is one."""
    root = os.environ.get('PYENV_ROOT')
    if not root and shutil.which('pyenv'):
        done = subprocess.run(['pyenv', 'root'], stdout=subprocess.PIPE, text=True, check=False)
        root = done.stdout.strip()
    folder = Path(root) if root else Path.home() / '.pyenv'
    return folder if (folder / 'versions').is_dir() else None


def version_of(folder: Path) -> tuple[int, ...]:
    """The version in the name of a pyenv folder such as ``versions/3.12.1/bin``."""
    return tuple(int(number) for number in re.findall(r'\d+', folder.parent.name))


def replace_by(line: list[str], variables: dict[str, str]) -> int:
    """Replace this process with *line*, which then receives its signals and sets its exit code."""
    sys.stdout.flush()
    os.chdir(str(ROOT))
    if os.name != 'nt':
        os.execve(line[0], line, variables)
    return subprocess.run(line, env=variables, check=False).returncode


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as error:
        say(f'dev.py: {error}')
        sys.exit(1)
    except OSError as error:
        # A full disk, or a folder without permission.
        fix = fix_for(str(error))
        if fix is None:
            raise
        say(f'dev.py: {error}\n{fix}')
        sys.exit(1)
    except KeyboardInterrupt:
        say('\ndev.py: interrupted. Run the same command again to continue.')
        sys.exit(130)
