"""The command of ``train.evaluation.obedience``."""

from train.evaluation.obedience import main

if __name__ == "__main__":
    main()
