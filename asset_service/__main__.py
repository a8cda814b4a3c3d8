"""Starts asset_service: `python -m asset_service`."""

import gc

# What is imported stays: looking through it for garbage again and again takes a tenth of the start.
gc.disable()

from asset_service.bootstrap import definition  # noqa: E402
from libs.service import main  # noqa: E402

main(definition)
