"""Does nothing: tables of these names in ``core`` may be somebody else's, so none is dropped by its name."""

revision = "0.1.0_0015"
down_revision = "0.1.0_0014"


def upgrade() -> None:
    """Leave the database as it is."""
