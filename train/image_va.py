"""The command of ``train.stages.image_va``."""

from train.stages.image_va import main

if __name__ == "__main__":
    main()
