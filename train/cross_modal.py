"""The earlier name of the command ``train.bridge``."""

from train.stages.bridge import main

if __name__ == "__main__":
    main()
