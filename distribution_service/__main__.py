"""Starts distribution_service: `python -m distribution_service`."""

import gc

# What is imported stays: looking through it for garbage again and again takes a tenth of the start.
gc.disable()

from distribution_service.bootstrap import define  # noqa: E402
from libs.service import main  # noqa: E402

if __name__ == "__main__":
    main(define)
