"""The report: the same whatever comes first, escaped, and with all that there is to say."""

from __future__ import annotations

import json
import random
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from flask_fs_testing.report import BackendReport, Collected, Outcome, summary, write

HOSTILE = '<script>alert("1")</script> | `x` &\n*y*'


def outcome(check: str = 'test_one', result: str = 'passed', **more: Any) -> Outcome:
    """The outcome of a check of a class with two."""
    return {
        'module': 'tests/test_a.py',
        'class': 'TestA',
        'backend': 'BackendA',
        'modules': ['here', 'flask_fs_s3.backend'],
        'declared': ['ATOMIC_CREATE', 'MIME', 'RANGE'],
        'checks': ['test_one', 'test_two'],
        'check': check,
        'function': check,
        'topic': 'NameChecks',
        'guarantee': f'The promise of {check}.',
        'proves': None,
        'cause': '',
        'outcome': result,
        'reason': '',
        'seconds': 0.25,
        'measured': {},
        **more,
    }


def collected(*outcomes: Outcome) -> Collected:
    found = Collected()
    for each in outcomes:
        found.add(each)
    return found


def report_of(*outcomes: Outcome) -> BackendReport:
    [report] = collected(*outcomes).reports().values()
    return report


def written(found: Collected, folder: Path) -> dict[str, str]:
    write(found, folder / 'found')
    return {path.suffix: path.read_text(encoding='utf-8') for path in folder.iterdir()}


@pytest.mark.parametrize(
    ('results', 'expected'),
    [
        (['passed', 'passed'], 'proven'),
        (['passed', 'failed'], 'broken'),
        (['limited', 'failed'], 'broken'),
        (['passed', 'limited'], 'limited'),
        (['skipped', 'passed'], 'proven'),
        (['skipped', 'skipped'], 'declared'),
    ],
)
def test_a_capability_is_what_all_of_its_checks_say(results: list[str], expected: str) -> None:
    one, two = (outcome(f'test_{number}', result, proves='MIME') for number, result in enumerate(results))
    for order in ([one, two], [two, one]):
        report = report_of(*order)
        assert (report.state_of('MIME'), report.state_of('RANGE')) == (expected, 'declared')
        assert report.state_of('SIGNED_URL') == 'no'


def test_what_a_backend_dropped_in_one_check_is_not_declared() -> None:
    narrowed = outcome('test_two', declared=['MIME'], proves='ATOMIC_CREATE')
    assert report_of(outcome(proves='MIME'), narrowed).declared == ['MIME']
    assert report_of(narrowed, outcome(proves='MIME')).proven == {'MIME': True}


@pytest.mark.parametrize(
    ('outcomes', 'state', 'numbers'),
    [
        ([outcome(), outcome('test_two')], 'passed', (2, 2)),
        ([outcome(), outcome('test_two', 'limited', reason='so it is')], 'limited', (1, 2)),
        ([outcome(), outcome('test_two', 'failed')], 'failed', (1, 2)),
        ([outcome()], 'partial', (1, 2)),
        ([outcome(), outcome('test_two', 'skipped')], 'partial', (1, 2)),
        # One of three harnesses, by parametrization.
        ([outcome('test_one[a]', function='test_one'), outcome('test_one[b]', function='test_one')], 'partial', (2, 3)),
    ],
)
def test_what_was_not_run_is_not_passed(outcomes: list[Outcome], state: str, numbers: tuple[int, int]) -> None:
    report = report_of(*outcomes)
    assert (report.state, (report.passed, report.checks)) == (state, numbers)
    assert report.not_run == (['test_two'] if state == 'partial' else [])


def test_what_was_skipped_is_listed_with_its_reason(tmp_path: Path) -> None:
    found = collected(outcome(), outcome('test_two', 'skipped', reason='needs a proxy'))
    assert '- TestA: needs a proxy: test_two' in written(found, tmp_path)['.md'].splitlines()
    [report] = found.reports().values()
    assert (report.not_run_by_reason, report.skipped) == (
        {'needs a proxy': ['test_two']},
        {'test_two': 'needs a proxy'},
    )


def test_classes_of_one_name_are_kept_apart() -> None:
    found = collected(outcome(), outcome(module='tests/test_b.py'))
    assert list(found.reports()) == ['TestA in tests/test_a.py', 'TestA in tests/test_b.py']


def test_the_files_are_the_same_whatever_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1700000000')
    outcomes = [
        outcome('test_one', 'passed', proves='MIME', measured={'requests': {'read': 2}, 'sizes': {'small': 10}}),
        outcome('test_two', 'limited', reason='so it is', measured={'requests': {'read': 1, 'stat': 1}}, topic='Other'),
        outcome('test_one', 'failed', **{'class': 'TestB'}),
        outcome('test_two', 'passed', reason='as it was', **{'class': 'TestB'}),
        outcome('test_one', 'passed', declared=['MIME'], **{'class': 'TestC'}),
    ]
    first = written(collected(*outcomes), tmp_path / 'first')
    for number in range(5):
        random.Random(number).shuffle(outcomes)
        assert written(collected(*outcomes), tmp_path / str(number)) == first


def test_the_report_says_all_there_is_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1700000000')
    found = collected(
        outcome('test_one', proves='MIME', measured={'requests': {'read': 1}, 'sizes': {'border': 1024, 'small': 10}}),
        outcome('test_two', 'limited', reason='so it is', measured={'allowed': {'read': 1}}),
        outcome('test_one', 'failed', measured={'allowed': {'read': 1}}, **{'class': 'TestB'}),
    )
    found.advise('tests/test_a.py::TestA::test_one', 'BackendA could declare CHECKSUM')
    files = written(found, tmp_path)
    for line in (
        '![flask-fs conformance 1/4](found.svg)',
        '|  | TestA | TestB |',
        '| backend | `BackendA` | `BackendA` |',
        '| `MIME` | proven | declared |',
        '| checks passed | 1/2 | 0/2 |',
        '| known limits | 1 | 0 |',
        '| checks failed | 0 | 1 |',
        '- TestB: `test_one` — The promise of test_one.',
        '- TestA: `test_two` — so it is',
        '- TestB: test_two',
        '- TestA: BackendA could declare CHECKSUM',
        '| requests: read | 1 (max. 1) |  |',
        '| `MIME` | small 10, border 1,024 |  |',
        '| `NameChecks` | 0.5 | 0.2 |',
    ):
        assert line in files['.md'].splitlines()
    assert 'proved by flask-fs-testing' in files['.md']
    assert '2023-11-14 22:13 UTC' in files['.md']
    facts = json.loads(files['.json'])
    assert facts['TestA']['known_limits'] == {'test_two': 'so it is'}
    assert facts['TestA']['run'].keys() == {'kit', 'core', 'python', 'system', 'when', 'backend'}
    assert facts['TestA']['run']['backend'].startswith('flask-fs-s3 ')
    assert facts['TestB']['results'] == {'test_one': 'failed'}


def test_the_badge_counts_all_backends_and_has_the_color_of_the_worst(tmp_path: Path) -> None:
    passed = [outcome(), outcome('test_two')]
    limited = [outcome(module='b'), outcome('test_two', 'limited', module='b')]
    failed = [outcome(module='c'), outcome('test_two', 'failed', module='c')]
    colors = []
    for number, outcomes in enumerate([passed, passed + limited, passed + limited + failed, []]):
        badge = ElementTree.fromstring(written(collected(*outcomes), tmp_path / str(number))['.svg'])
        assert badge.attrib['aria-label'] == f'flask-fs conformance: {["2/2", "3/4", "4/6", "0/0"][number]}'
        colors.append(badge.findall('.//{*}rect')[2].attrib['fill'])
    assert len(set(colors)) == 4


def test_names_and_reasons_are_text_everywhere(tmp_path: Path) -> None:
    found = collected(
        outcome(f'test_one[{HOSTILE}]', 'failed', guarantee=HOSTILE, backend=HOSTILE, **{'class': HOSTILE}),
        outcome(f'test_{HOSTILE}', 'limited', reason=HOSTILE, topic=HOSTILE, **{'class': HOSTILE}),
    )
    found.advise(f'tests/test_a.py::{HOSTILE}::test_one', HOSTILE)
    files = written(found, tmp_path)
    ElementTree.fromstring(files['.svg'])
    assert '<script' not in files['.html'] + files['.md'] + files['.svg']
    rows = [line for line in files['.md'].splitlines() if line.startswith('|')]
    assert {line.replace('\\|', '').count('|') for line in rows} == {3}
    # What is code needs no escapes, and may hold nothing that ends it.
    assert all(line.count('`') - line.count('\\`') in (0, 2) for line in files['.md'].splitlines())


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_else_and_can_be_read_aloud(tmp_path: Path) -> None:
    content = written(collected(outcome(measured={'requests': {'read': 1}}), outcome('test_two')), tmp_path)['.html']
    page = Page()
    page.feed(content)
    assert not {tag for tag, _ in page.tags} & {'script', 'link', 'img', 'iframe'}
    assert not any({'src', 'href', 'style'} & attributes.keys() for _, attributes in page.tags)
    assert 'url(' not in content.replace('url(#r)', '')
    assert [attributes['lang'] for tag, attributes in page.tags if tag == 'html'] == ['en']
    assert [tag for tag, _ in page.tags if tag == 'h1'] == ['h1']
    assert all('scope' in attributes for tag, attributes in page.tags if tag == 'th')
    regions = [attributes for tag, attributes in page.tags if tag == 'div']
    assert all({'role', 'aria-label', 'tabindex'} <= attributes.keys() for attributes in regions)


@pytest.mark.browser
def test_the_page_fits_into_a_narrow_window(tmp_path: Path, chromium: Any) -> None:
    names = [f'TestOnAServerOfALongName{number}' for number in range(12)]
    outcomes = [
        outcome(f'test_{"of_a_long_name_" * 10}', 'limited', reason='x' * 200, **{'class': name}) for name in names
    ]
    written(collected(*outcomes), tmp_path)
    with chromium.new_page(viewport={'width': 320, 'height': 600}) as page:
        page.goto((tmp_path / 'found.html').as_uri())
        assert page.evaluate('document.documentElement.scrollWidth') <= 320


def test_the_end_of_the_run_says_it_in_a_few_lines() -> None:
    found = collected(outcome(), outcome('test_two', 'limited', reason='so it is'), outcome(**{'class': 'TestB'}))
    found.advise('tests/test_a.py::TestB::test_one', 'BackendA could declare CHECKSUM')
    assert summary(found) == [
        'TestA: 1 of 2 checks passed, 1 known limits; 0.5 s, of which NameChecks 0.5 s',
        '  known limit: test_two: so it is',
        'TestB: 1 of 2 checks passed; 0.2 s, of which NameChecks 0.2 s',
        '  advice: BackendA could declare CHECKSUM',
    ]
