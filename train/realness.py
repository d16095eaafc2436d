"""The command of ``train.evaluation.realness``."""

from train.evaluation.realness import main

if __name__ == "__main__":
    main()
