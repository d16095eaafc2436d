"""Data sets: fetched, checked, described and cut into excerpts; also the example photos and the soundfont that ship."""
