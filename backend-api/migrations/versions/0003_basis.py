"""What a prediction rests on: live records or typical figures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("predictions", sa.Column("basis", sa.JSON))


def downgrade() -> None:
    op.drop_column("predictions", "basis")
