"""`python -m cch_omics` is `cch`."""

import gc
import sys

from cch_omics.cli import main

# Importing libraries makes hundreds of thousands of objects that stay. To look for garbage among them every 700,
# and once more in the end, took a quarter of the time in which a step starts and ends.
gc.set_threshold(100_000)
status = main()
gc.freeze()
sys.exit(status)
