"""The command of ``train.evaluation.dataset``."""

from train.evaluation.dataset import main

if __name__ == "__main__":
    main()
