"""The command of ``train.report.documents``."""

from train.report.documents import main

if __name__ == "__main__":
    main()
