"""Random sequences of verbs, by two backends on one store, compared with a simple model: a dictionary."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Flaky

import flask_fs as fs
from flask_fs.backends import NO_ATTRIBUTES, Attributes, Capability, changed

from ..console import Console, Outcome, console
from ..guarantees import broken, check
from ..harness import Harness
from ..sources import SourceFailed

#: The environment variable with a seed that repeats the same sequences.
SEED_VARIABLE = 'FS_TEST_SEED'
STEPS = 25
#: A failing script is shortened, which takes hundreds of runs.
PHASES = (Phase.generate, Phase.shrink)
CONTENTS = (b'', b'1', b'other', b'0123456789')

#: Lines that store content.
STORING = (
    '{who}.write({name!r}, {content!r}, overwrite={overwrite})',
    '{who}.save(BytesIO({content!r}), {name!r}, overwrite={overwrite})',
    '{who}.save(OnlyRead({content!r}), {name!r}, overwrite={overwrite})',
    'put({who}, {name!r}, {mode!r}, {content!r})',
    'upload({who}, {name!r}, {content!r}, overwrite={overwrite})',
)
REMOVING = ('{who}.remove({name!r})', '{who}.delete({name!r})', '{who}.remove_many([{name!r}, {new!r}])')
COPYING = (
    '{who}.copy({name!r}, {new!r}, overwrite={overwrite})',
    '{who}.move({name!r}, {new!r}, overwrite={overwrite})',
)
#: Lines that begin to store content, and fail.
FAILING = ('{who}.save(Failing({content!r}, 3), {name!r}, overwrite=True)', 'leave({who}, {name!r}, {content!r})')
#: Lines that only some backends support.
WITH_ATTRIBUTES = '{who}.write({name!r}, {content!r}, overwrite={overwrite}, attributes={attributes})'
SETTING = '{who}.set_attributes({name!r}, {attributes}.given())'
SWAPPING = 'swap({who}, {name!r}, {content!r}, stale={overwrite})'
OPTIONAL: Mapping[str, Capability] = {
    WITH_ATTRIBUTES: Capability.ATTRIBUTES,
    SETTING: Capability.ATTRIBUTES,
    SWAPPING: Capability.COMPARE_AND_SWAP,
}
ATTRIBUTES = (
    NO_ATTRIBUTES,
    Attributes(mime='text/plain', metadata={'a': '1'}),
    Attributes(cache_control='no-store', content_language='de', metadata={'b': 'é'}),
    Attributes(download_name='é.txt', content_encoding='gzip'),
)


class File(NamedTuple):
    """A file of the model."""

    content: bytes
    attributes: Attributes = NO_ATTRIBUTES


Files = dict[str, File]


def _of_file(of: Callable[[File], Any]) -> Callable[[Files, str], Any]:
    return lambda files, name: of(files[name]) if name in files else fs.FileNotFound


def _entries_of(files: Files, prefix: str) -> tuple[list[str], list[str]]:
    top = f'{prefix}/' if prefix else ''
    below = [name for name in files if name.startswith(top)]
    folders = {top + name[len(top) :].partition('/')[0] for name in below if '/' in name[len(top) :]}
    return sorted(name for name in below if '/' not in name[len(top) :]), sorted(folders)


#: Lines that read a file, or list all, and what they should return.
LOOKING: Mapping[str, Callable[[Files, str], Any]] = {
    '{who}.exists({name!r})': lambda files, name: name in files,
    '{who}.read({name!r})': _of_file(lambda file: file.content),
    'look_at({who}, {name!r})': _of_file(lambda file: (len(file.content), file.attributes)),
    'list({who}.read_chunks({name!r}, 4))': _of_file(
        lambda file: [file.content[at : at + 4] for at in range(0, len(file.content), 4)]
    ),
    '{who}.metadata({name!r})["checksum"]': _of_file(lambda file: f'sha256:{hashlib.sha256(file.content).hexdigest()}'),
    '{who}.read_range({name!r}, 0, 3)': _of_file(lambda file: file.content[:3]),
    'read_from({who}, {name!r}, 2)': _of_file(lambda file: file.content[2:]),
    'sorted({who}.list_files({name!r}))': lambda files, name: sorted(each for each in files if each.startswith(name)),
    '{{info.name: info.size for info in {who}.scan()}}': lambda files, _: {
        name: len(file.content) for name, file in files.items()
    },
    'entries({who}, {name!r}, 1)': _entries_of,
    'entries({who}, "", 2)': lambda files, _: _entries_of(files, ''),
}


@dataclass(frozen=True)
class Step:
    """One line of a script, with all values that lines can need, and a line that reads the result."""

    #: None does nothing: shortening puts it in place of lines that a failure does not need.
    who: str | None
    line: str
    name: str
    new: str
    content: bytes
    overwrite: bool
    attributes: Attributes
    look: str


def _sequences(names: Sequence[str], capabilities: Capability) -> st.SearchStrategy[list[Step]]:
    optional = (line for line, capability in OPTIONAL.items() if capability in capabilities)
    step = st.builds(
        Step,
        who=st.sampled_from((None, *('one', 'two') * 3)),
        line=st.sampled_from((*STORING, *REMOVING, *COPYING, *FAILING, *optional)),
        name=st.sampled_from(names),
        new=st.sampled_from(names),
        content=st.sampled_from(CONTENTS),
        overwrite=st.booleans(),
        attributes=st.sampled_from(ATTRIBUTES),
        look=st.sampled_from(tuple(LOOKING)),
    )
    return st.lists(step, min_size=STEPS, max_size=STEPS)


class ModelChecks:
    """Methods in any order."""

    @check(
        'documented methods',
        cause='A method in the script below caches something, or leaves something behind, such as an index or a marker. '
        'Start with the hook of its last line.',
    )
    def test_any_sequence_of_verbs_does_what_a_dictionary_would(self, harness: Harness) -> None:
        """Whatever methods two backends on one store call, in any order, the files are what a plain dictionary would contain."""
        seed = int(os.environ.get(SEED_VARIABLE) or random.randrange(2**32))
        elsewhere = harness.shared_between_processes and hasattr(os, 'fork')
        this_check = self.test_any_sequence_of_verbs_does_what_a_dictionary_would.__name__
        settings = hypothesis.settings(
            max_examples=harness.sequences,
            database=None,
            deadline=None,
            # Nobody reads the script of a known limit.
            phases=PHASES[:1] if this_check in harness.known_limits else PHASES,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )
        with console(harness, elsewhere=False) as one, console(harness, elsewhere=elsewhere) as two:
            consoles, runs = {'one': one, 'two': two}, itertools.count()
            capabilities = harness.make().capabilities
            nested = Capability.NESTED_NAMES in capabilities
            failed: list[tuple[Mismatch, Script]] = []

            @hypothesis.seed(seed)
            @settings
            @hypothesis.given(_sequences(harness.sequence_names, capabilities))
            def run(steps: list[Step]) -> None:
                script = Script(consoles, f'run-{next(runs)}', nested=nested)
                try:
                    for step in steps:
                        if step.who is not None:
                            script.do(step, step.who)
                    script.look_at_all(harness.sequence_names)
                except Mismatch as mismatch:
                    failed.append((mismatch, script))
                    raise

            # The last failing one is the shortest, unless the failure did not repeat.
            with contextlib.suppress(Mismatch, Flaky):
                run()
        if failed:
            mismatch, script = failed[-1]
            lines = '\n'.join(f'    {line}' for line in script.lines)
            where = ' (in another process)' if elsewhere else ''
            broken(
                f'{mismatch}\nThe script, in which two{where} uses the same store as one:\n{lines}\n'
                f'{SEED_VARIABLE}={seed} repeats this run.'
            )


class Mismatch(AssertionError):
    """A backend did not behave as the model does."""


class Script:
    """Runs a script, each line on the backend and on the model.

    :param consoles: Where lines run, by the backend in them.
    :param prefix: The key prefix of its files, which no other sequence uses.
    :param nested: Whether a file can have the name of a folder.
    """

    def __init__(self, consoles: Mapping[str, Console], prefix: str, *, nested: bool) -> None:
        self._consoles = consoles
        self._nested = nested
        self._files: Files = {}
        self.lines: list[str] = []
        for who in consoles:
            self._run(who, f'{who} = harness.make(prefix={prefix!r})')

    def do(self, step: Step, who: str) -> None:
        """Run the line of *step* with the backend *who*, and read the result with both.

        :raises Mismatch: If the backend did not behave as the model does.
        """
        files, name, new = self._files, step.name, step.new
        mode = 'wb' if step.overwrite else 'xb'
        outcome = self._run(who, step.line.format(**{**vars(step), 'mode': mode}))
        if step.line in STORING:
            self._stored(outcome, name, File(step.content), step.overwrite)
        elif step.line == WITH_ATTRIBUTES:
            self._stored(outcome, name, File(step.content, step.attributes), step.overwrite)
        elif step.line in FAILING:
            if not self._is_refused(outcome, name):
                self._expect(outcome, SourceFailed)
        elif step.line in REMOVING:
            self._expect(outcome, {} if 'many' in step.line else None)
            for gone in (name, new) if 'many' in step.line else (name,):
                files.pop(gone, None)
            for below in [each for each in files if each.startswith(f'{name}/') and 'delete' in step.line]:
                del files[below]
        elif step.line == SWAPPING and step.overwrite:
            # A version that never existed.
            self._expect(outcome, fs.Changed)
        elif name not in files:
            # If both source and target are wrong, a store can notice the target first.
            is_target_seen = isinstance(outcome.error, fs.FileExists) and new in files and not step.overwrite
            self._expect(outcome, fs.FileExists if is_target_seen else fs.FileNotFound)
        elif step.line == SWAPPING:
            self._stored(outcome, name, File(step.content), True)
        elif step.line == SETTING:
            self._expect(outcome, None)
            files[name] = files[name]._replace(attributes=changed(files[name].attributes, step.attributes.given()))
        elif self._stored(outcome, new, files[name], step.overwrite) and 'move' in step.line and name != new:
            del files[name]
        self._look(step.look, {name, new} if '{new' in step.line else {name})

    def look_at_all(self, names: Iterable[str]) -> None:
        """Read each of *names* in every way with both backends.

        :raises Mismatch: If one of them does not see what the model contains.
        """
        for look in LOOKING:
            self._look(look, names if '{name' in look else ('',))

    def _look(self, look: str, names: Iterable[str]) -> None:
        for who, name in itertools.product(self._consoles, sorted(names)):
            self._expect(self._run(who, look.format(who=who, name=name)), LOOKING[look](self._files, name))

    # --- The model.

    def _stored(self, outcome: Outcome, name: str, file: File, overwrite: bool) -> bool:
        """Judge a line that should have stored *file*; return whether it did."""
        if name in self._files and not overwrite:
            self._expect(outcome, fs.FileExists)
        elif not self._is_refused(outcome, name):
            self._expect(outcome, None)
            self._files[name] = file
            return True
        return False

    def _is_refused(self, outcome: Outcome, name: str) -> bool:
        """Whether *name* was refused because a file and a folder would share it, which stores do not have to support."""
        in_the_way = (each for each in self._files if each.startswith(f'{name}/') or name.startswith(f'{each}/'))
        return not self._nested and isinstance(outcome.error, fs.FileExists) and any(in_the_way)

    # --- Running and judging lines.

    def _run(self, who: str, line: str) -> Outcome:
        self.lines.append(line)
        return self._consoles[who].run(line)

    def _expect(self, outcome: Outcome, expected: Any) -> None:
        """Compare the outcome of the last line with the value that it should return, or the error that it should raise."""
        is_error = isinstance(expected, type)
        if outcome.error is not None:
            if is_error and isinstance(outcome.error, expected):
                return
        elif not is_error and (outcome.value == expected or expected is None):
            return
        shown = f'a {expected.__name__}' if is_error else repr(expected)
        raise Mismatch(f'Expected {shown} from {self.lines[-1]}; saw {outcome}.')
