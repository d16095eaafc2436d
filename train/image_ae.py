"""The command of ``train.stages.image_ae``."""

from train.stages.image_ae import main

if __name__ == "__main__":
    main()
