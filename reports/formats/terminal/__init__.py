"""Reports as text for a terminal: tables that fit its width, in letters that its encoding has."""
