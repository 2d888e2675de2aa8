"""What the pages of the site show, besides those of each place."""
