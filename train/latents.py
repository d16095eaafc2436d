"""The command of ``train.evaluation.latents``."""

from train.evaluation.latents import main

if __name__ == "__main__":
    main()
