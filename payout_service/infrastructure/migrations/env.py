"""Alembic's entry; see libs.persistence.migrate."""

from libs.persistence import alembic_env

alembic_env.run()
