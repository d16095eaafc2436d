"""The command of ``train.report.tables``."""

from train.report.tables import main

if __name__ == "__main__":
    main()
