"""The earlier name of the command ``python -m train.bridge``."""

from __future__ import annotations

from train.bridge import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
