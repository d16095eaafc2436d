"""The command of ``train.stages.baseline``."""

from train.stages.baseline import main

if __name__ == "__main__":
    main()
