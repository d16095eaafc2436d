"""EIMG Studio in the browser: ``python app.py`` does what ``eimg app`` does."""

import sys

from eimg_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
