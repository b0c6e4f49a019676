"""Build the sdist of each member, and the wheel from that sdist, into an empty folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from members import members

__all__ = ['main']


def main(dist: Path) -> int:
    """The exit code: 0 if all members were built."""
    if dist.exists():
        shutil.rmtree(dist)
    for member in members():
        print(f'building {member.name} {member.version}', flush=True)
        line = [sys.executable, '-m', 'build', '--installer', 'uv', '--outdir', str(dist), str(member.folder)]
        result = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode:
            print(result.stdout, file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1])))
