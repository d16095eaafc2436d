"""Pieces of piano music: notes in seconds, MIDI files, tokens and attributes."""
