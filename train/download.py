"""The command of ``train.data.download``."""

import sys

from train.data.download import main

if __name__ == "__main__":
    sys.exit(main())
