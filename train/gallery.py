"""The command of ``train.report.gallery``."""

from train.report.gallery import main

if __name__ == "__main__":
    main()
