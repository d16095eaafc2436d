"""The command of ``train.evaluation.photo_cues``."""

from train.evaluation.photo_cues import main

if __name__ == "__main__":
    main()
