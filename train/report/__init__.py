"""Results and cards into tables, pages and figures; every text is a pure function of them."""
