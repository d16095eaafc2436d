"""The command of ``train.evaluation.performance``."""

import sys

from train.evaluation.performance import main

if __name__ == "__main__":
    sys.exit(main())
