"""What ``import flask_fs`` costs next to ``import flask``, in fresh interpreters, and what its first use adds."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from measuring import Measure, cost_of, in_turn, machine, passing_folder, report

CONTENDERS = {
    'import flask': 'import flask',
    'import flask_fs': 'import flask_fs',
    'from flask_fs import init_app': 'from flask_fs import init_app',
}
# From within: the CPU time when flask is imported, when flask_fs is, and when one of its names was used.
WITHIN = """
import time
import flask
flask = time.process_time()
import flask_fs
imported = time.process_time()
flask_fs.init_app
print(flask, imported, time.process_time())
"""


def interpreter(program: str) -> Measure:
    """A measurement of a whole interpreter, from its start to its end, that runs *program*."""
    return cost_of(lambda: subprocess.run([sys.executable, '-c', program], check=True))


def within(rounds: int) -> dict[str, list[float]]:
    """The CPU seconds of interpreters up to each contender, one after the other."""
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        told = subprocess.run([sys.executable, '-c', WITHIN], check=True, stdout=subprocess.PIPE, text=True).stdout
        for measured, moment in zip(seconds.values(), told.split(), strict=True):
            measured.append(float(moment))
    return seconds


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
        report('A whole interpreter', seconds, reference='import flask', limit=1.02)
        report('From start to import, told from within', within(rounds), reference='import flask', limit=1.02)


if __name__ == '__main__':
    main()
