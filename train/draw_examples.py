"""The command of ``train.data.draw_examples``."""

from train.data.draw_examples import main

if __name__ == "__main__":
    main()
