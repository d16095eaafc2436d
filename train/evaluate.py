"""The command of ``train.evaluation.evaluate``."""

from train.evaluation.evaluate import main

if __name__ == "__main__":
    main()
