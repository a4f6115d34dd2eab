"""`python -m cch_omics` is `cch`."""

import sys

from cch_omics.cli import main

sys.exit(main())
