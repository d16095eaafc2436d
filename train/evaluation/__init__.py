"""Measurements: each writes results, one JSON file for each thing that was measured, with all that it depends on."""
