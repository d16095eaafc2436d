"""The command of ``train.evaluation.midi_evaluation``."""

from train.evaluation.midi_evaluation import main

if __name__ == "__main__":
    main()
