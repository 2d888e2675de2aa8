"""What a report's page shows besides its figures and cards: the answers, bars of ratios, links to records, and how to cite it."""
