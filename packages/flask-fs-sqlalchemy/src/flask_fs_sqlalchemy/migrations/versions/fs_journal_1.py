"""Create the table of the journal."""

from __future__ import annotations

from alembic import op

from flask_fs_sqlalchemy import migrations

revision = 'fs_journal_1'
down_revision = None
branch_labels = ('flask_fs',)
depends_on = None


def upgrade() -> None:
    """Create it."""
    migrations.upgrade(op)


def downgrade() -> None:
    """Drop it."""
    migrations.downgrade(op)
