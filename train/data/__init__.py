"""Data sets: fetched, checked, described and annotated; also the example photos and the soundfont that ship."""
