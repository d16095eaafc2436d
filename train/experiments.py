"""The command of ``train.evaluation.experiments``."""

from train.evaluation.experiments import main

if __name__ == "__main__":
    main()
