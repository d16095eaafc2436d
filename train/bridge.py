"""The command of ``train.stages.bridge``."""

from train.stages.bridge import main

if __name__ == "__main__":
    main()
