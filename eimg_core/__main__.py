"""``python -m eimg_core`` does what ``eimg`` does."""

import sys

from eimg_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
