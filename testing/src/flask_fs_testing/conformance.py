"""All checks in one class, for the author of a backend to subclass."""

from __future__ import annotations

from .checks.content import ContentChecks
from .checks.creating import CreateChecks
from .checks.facts import FactChecks
from .checks.links import LinkChecks
from .checks.listing import DeleteChecks, ListChecks
from .checks.memory import MemoryChecks
from .checks.names import NameChecks
from .checks.serving import ServeChecks
from .checks.sharing import SharingChecks


class BackendConformance(
    NameChecks,
    ContentChecks,
    CreateChecks,
    DeleteChecks,
    ListChecks,
    FactChecks,
    ServeChecks,
    LinkChecks,
    SharingChecks,
    MemoryChecks,
):
    """Every guarantee that a backend gives. Subclass it as ``Test…`` and give it a fixture ``harness``.

    What the backend declares as a capability has to work; what it does not declare has to raise OperationNotSupported.
    """
