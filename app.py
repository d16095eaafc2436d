"""EIMG Studio in the browser: ``python app.py`` does what ``eimg app`` does."""

from eimg_core.ui.app import main

if __name__ == "__main__":
    main()
