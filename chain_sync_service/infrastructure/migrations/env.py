from libs.persistence.alembic_env import run

run()
