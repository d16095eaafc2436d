"""A piece on paper: hands, harmonies, sheet music."""
