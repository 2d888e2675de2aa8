"""A synthetic dataset in the shape of Criteo's click logs: its columns, the planted clicks and how it is written."""
