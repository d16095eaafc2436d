"""The command of ``train.stages.music_ae``."""

from train.stages.music_ae import main

if __name__ == "__main__":
    main()
