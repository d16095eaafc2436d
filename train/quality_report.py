"""The command of ``train.evaluation.quality_report``."""

from train.evaluation.quality_report import main

if __name__ == "__main__":
    main()
