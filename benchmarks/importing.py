"""The cost of ``import flask_fs`` and of an application with a storage, compared to Flask alone, in new interpreters."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from measuring import Measure, cost_of, in_turn, machine, passing_folder, report

CONTENDERS = {
    'import flask': 'import flask',
    'import flask_fs': 'import flask_fs',
    'a Flask application': 'import flask; flask.Flask("shop")',
    'the same with a storage': (
        'import flask, flask_fs; app = flask.Flask("shop"); flask_fs.init_app(app, flask_fs.Storage("files"))'
    ),
}


def interpreter(program: str) -> Measure:
    """A measurement of a whole interpreter, from its start to its end, that runs *program*."""
    return cost_of(lambda: subprocess.run([sys.executable, '-c', program], check=True))


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=60)
    rounds = parser.parse_args().rounds
    print(f'{machine()}; {rounds} rounds\n')
    with passing_folder() as folder:
        # All modules are compiled once, as installed ones are, and to one place that nobody else uses.
        os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
        os.environ['PYTHONPYCACHEPREFIX'] = str(folder)
        contenders = {name: interpreter(program) for name, program in CONTENDERS.items()}
        seconds = in_turn(contenders, rounds=rounds)
        report('A whole interpreter', seconds, reference='import flask')


if __name__ == '__main__':
    main()
