"""Directives that generate reference content from the code, such as lists of settings and tables of capabilities.

``settings`` lists the settings of every storage, or of one backend class. ``capabilities`` compares backend classes.
``capability-list`` explains each capability. ``conformance-report`` shows the recorded results of the conformance kit, and
``conformance-checks`` lists its checks by topic. ``file-types`` lists the extensions in each group.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from flask_fs import Capability, FSError, files
from flask_fs.backends import BaseBackend
from flask_fs.config import STORAGE_SETTINGS
from flask_fs.settings import Setting
from flask_fs_testing import NetworkConformance
from flask_fs_testing.guarantees import guarantee_of
from flask_fs_testing.history import since
from flask_fs_testing.report import BackendReport
from flask_fs_testing.report.markdown import items
from flask_fs_testing.report.markdown import table as report_table
from flask_fs_testing.report.tables import further, lists, overview

#: All except NONE, which Python 3.10 counts as a member.
CAPABILITIES = [flag for flag in Capability if flag]
#: Written by ``python3 dev.py report``.
REPORT = Path(__file__).parent / 'conformance-report.json'


class FromCode(SphinxDirective):
    """A directive that generates Markdown from the code."""

    has_content = False
    optional_arguments = 20

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.markdown())

    def markdown(self) -> str:
        raise NotImplementedError


class Settings(FromCode):
    """``{settings}`` lists the settings of every storage, ``{settings} package.module:NAME`` those of a backend or a tuple."""

    def markdown(self) -> str:
        if not self.arguments:
            return settings_list(STORAGE_SETTINGS, 'FS_')
        declared = load(self.arguments[0])
        if isinstance(declared, tuple):
            return settings_list(declared, 'FS_')
        return (
            settings_list(declared.settings, f'FS_{declared.kind.upper()}_')
            or 'This backend has no additional settings.'
        )


class Capabilities(FromCode):
    """``{capabilities} package.module:Class ...``, with one column for each class.

    ``package.module:Class(setting=value)`` is a column for a backend with this setting.
    """

    def markdown(self) -> str:
        header = ['capability']
        backends = []
        for argument in self.arguments:
            path, _, configured = argument.rstrip(')').partition('(')
            key, _, value = configured.partition('=')
            backends.append(load(path)('example', {key: value}) if configured else load(path))
            header.append(f'`{load(path).kind}`' + (f', `{key.upper()} = {value}`' if configured else ''))
        rows = [
            [f'`{flag.name}`', *('yes' if flag in backend.capabilities else 'no' for backend in backends)]
            for flag in CAPABILITIES
        ]
        return table(header, rows)


class ConformanceReport(FromCode):
    """``{conformance-report} TestClass ...``, the last recorded results, with a column for each class, or for all classes."""

    def markdown(self) -> str:
        recorded = json.loads(REPORT.read_text(encoding='utf-8'))
        self.env.note_dependency(str(REPORT))
        names = self.arguments or sorted(recorded)
        reports = {name.removeprefix('Test'): BackendReport(**recorded[name]) for name in names}
        said = lists(reports)
        parts = [report_table(overview(reports))]
        parts += [
            f'{title}:\n\n{items(said[title])}' for title in ('Broken guarantees', 'Known limits') if title in said
        ]
        if not self.arguments:
            parts += [f'{each.title}:\n\n{report_table(each)}' for each in further(reports) if each.title != 'Seconds']
            parts.append(items(said.get('Proof', [])))
        return '\n\n'.join(parts)


class CapabilityList(FromCode):
    """``{capability-list}``, explained by the comments in the source."""

    def markdown(self) -> str:
        comments = ModuleAnalyzer.for_module(Capability.__module__).find_attr_docs()
        return '\n\n'.join(
            f'`{flag.name}`\n: {" ".join(comments["Capability", str(flag.name)]).strip()}' for flag in CAPABILITIES
        )


class FileTypeTable(FromCode):
    """``{file-types}``."""

    def markdown(self) -> str:
        rows = [[f'`{name}`', extensions(getattr(files, name))] for name in files.__all__ if name.isupper()]
        return table(['name', 'extensions'], rows)


class ConformanceChecks(FromCode):
    """``{conformance-checks}``, one table for each base class of :class:`NetworkConformance`."""

    def markdown(self) -> str:
        topics = [topic for topic in NetworkConformance.__mro__[1:-1] if any(map(guarantee_of, vars(topic).values()))]
        return '\n\n'.join(f'**`{topic.__name__}`**: {topic.__doc__}\n\n{checks_of(topic)}' for topic in topics)


def checks_of(topic: type) -> str:
    rows = []
    for name, function in vars(topic).items():
        if guarantee := guarantee_of(function):
            proves = f'`{guarantee.proves.name}`' if guarantee.proves else ''
            contract = ' '.join(f'`{w}`' if w.isidentifier() and is_code(w) else w for w in guarantee.contract.split())
            rows.append([f'{guarantee.text} `{name}`', contract, proves, since(name)])
    return table(['guarantee and check', 'documented at', 'proves', 'since'], rows)


def is_code(word: str) -> bool:
    """Whether *word* is the name of a hook, a verb or a capability."""
    return word in Capability.__members__ or hasattr(BaseBackend, word)


def extensions(group: Any) -> str:
    if group is files.DEFAULTS:
        parts = ('TEXT', 'DOCUMENTS', 'IMAGES', 'DATA')
        assert group == sum((getattr(files, part) for part in parts), files.NONE)
        return ', '.join(f'all of `{part}`' for part in parts)
    if group is files.ALL:
        return 'all extensions, and names without one'
    return ' '.join(f'`{extension}`' for extension in group) or 'none'


def settings_list(settings: tuple[Setting, ...], wide: str) -> str:
    """A definition list, which is as readable on a phone as on a wide screen."""
    entries = []
    for setting in settings:
        key = setting.key.upper()
        names = f'`{{NAME}}_FS_{key}`'
        if setting.allow_global or wide != 'FS_':
            names += f', `{wide}{key}`'
        entries.append(f'{names}\n: {meaning(setting)}\\\n  Value: {expected(setting)}. Default: {default(setting)}.')
    return '\n\n'.join(entries)


def meaning(setting: Setting) -> str:
    extra = (
        " The storage's name is appended, unless the setting is for this storage alone."
        if setting.append_storage_name
        else ''
    )
    return setting.doc + extra


def expected(setting: Setting) -> str:
    # The parser's error says what it accepts.
    try:
        setting.parse(object())
    except ValueError as error:
        return 'a string' if str(error) == 'text' else str(error)
    return 'a string or a class'


def default(setting: Setting) -> str:
    if setting.required:
        return 'none; required'
    return 'not set' if setting.default in (None, '', ()) else f'`{setting.default!r}`'


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join('| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |' for line in lines)


def load(path: str) -> Any:
    module, _, name = path.partition(':')
    return getattr(importlib.import_module(module), name)


DIRECTIVES: dict[str, type[Directive]] = {
    'settings': Settings,
    'capabilities': Capabilities,
    'capability-list': CapabilityList,
    'file-types': FileTypeTable,
    'conformance-checks': ConformanceChecks,
    'conformance-report': ConformanceReport,
}


def without_signature(_: Sphinx, kind: str, __: str, documented: Any, *___: Any) -> tuple[str, str] | None:
    """All errors have the same signature, so only their base class shows it."""
    return ('', '') if kind == 'exception' and documented is not FSError else None


def setup(app: Sphinx) -> dict[str, bool]:
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)
    app.connect('autodoc-process-signature', without_signature)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
