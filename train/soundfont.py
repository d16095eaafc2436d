"""The command of ``train.data.soundfont``."""

from train.data.soundfont import main

if __name__ == "__main__":
    main()
