"""Sound: a piece of music becomes a stereo waveform, with FluidSynth or with a sampler of our own."""
