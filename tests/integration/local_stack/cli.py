"""``python -m deploy.local`` with stand-ins for the services: ``python cli.py up --base-dir ...``."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    from deploy.local.__main__ import main
    from tests.integration.local_stack.support import STAND_INS

    sys.exit(main(sys.argv[1:], STAND_INS))
