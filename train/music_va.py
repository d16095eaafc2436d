"""The command of ``train.stages.music_va``."""

from train.stages.music_va import main

if __name__ == "__main__":
    main()
