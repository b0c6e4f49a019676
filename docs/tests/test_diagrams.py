"""What docs/_ext/diagrams.py draws, and what it says of a diagram that it cannot draw."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.once

PATH = Path(__file__).parents[1] / '_ext' / 'diagrams.py'
TITLES = 'accTitle: A title\naccDescr: What is seen.\n'


@pytest.fixture(scope='module')
def diagrams() -> ModuleType:
    pytest.importorskip('sphinx')
    spec = importlib.util.spec_from_file_location('diagrams_of_docs', PATH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Data classes look for it there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def texts(drawn: str) -> list[str]:
    return [text for text in ET.fromstring(drawn).itertext() if text.strip()]


def test_a_sequence_shows_participants_messages_and_notes(diagrams):
    drawn, _ = diagrams.svg(
        f'sequenceDiagram\n{TITLES}participant A as App\nparticipant B\nA->>B: Go\nB-->>A: Done\nNote over A,B: <5 s', 0
    )
    assert texts(drawn) == ['A title', 'What is seen.', 'App', 'B', 'Go', 'Done', '<5 s']


def test_a_chart_puts_each_box_below_all_that_lead_to_it(diagrams):
    drawn, _ = diagrams.svg(f'flowchart TB\n{TITLES}a["A"]\nb["B"]\nc["C"]\na --> b & c\nb -->|then| c', 0)
    a, b, c = (float(y) for y in re.findall(r'<rect [^>]*y="([\d.]+)"', drawn))
    assert a < b < c
    assert 'then' in texts(drawn)


def test_a_diagram_is_named_and_described(diagrams):
    drawn, said = diagrams.svg(f'flowchart TB\n{TITLES}a["A"]', 7)
    assert 'role="img" aria-labelledby="diagram-7-title diagram-7-text"' in drawn
    assert said == 'A title. What is seen.'


def test_a_line_that_it_cannot_draw_is_named(diagrams):
    with pytest.raises(ValueError, match='loop forever'):
        diagrams.svg(f'sequenceDiagram\n{TITLES}participant A\nloop forever', 0)


def test_a_diagram_without_a_description_is_refused(diagrams):
    with pytest.raises(KeyError, match='accTitle'):
        diagrams.svg('flowchart TB\na["A"]', 0)
