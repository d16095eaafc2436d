"""Training: each module is a command, `python -m train.<name>`."""
