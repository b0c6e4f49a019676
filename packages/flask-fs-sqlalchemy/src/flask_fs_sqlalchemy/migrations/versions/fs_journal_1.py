"""Create the journal's table."""

from __future__ import annotations

from alembic import op

from flask_fs_sqlalchemy import migrations

revision = 'fs_journal_1'
down_revision = None
branch_labels = ('flask_fs',)
depends_on = None


def upgrade() -> None:
    """Create the table."""
    migrations.upgrade(op)


def downgrade() -> None:
    """Drop the table."""
    migrations.downgrade(op)
