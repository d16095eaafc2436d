"""What a listener with the score would say of a piece: beats, bars, key, hands, tune, chords, phrases and returns."""
