"""The results of a run for each backend: for people as Markdown, a page and a badge, for programs as JSON."""

from .backend_report import BackendReport
from .collected import PROPERTY, Collected, Outcome
from .files import write
from .terminal import summary

__all__ = ['PROPERTY', 'BackendReport', 'Collected', 'Outcome', 'summary', 'write']
