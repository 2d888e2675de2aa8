"""The tables of pages: what their cells say, and by what number they are sorted."""
