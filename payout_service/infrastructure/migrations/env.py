"""Entry point for Alembic; see libs.persistence.migrate."""

from libs.persistence import alembic_env

alembic_env.run()
