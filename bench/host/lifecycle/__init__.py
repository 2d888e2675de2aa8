"""From the start of feedrate's processes to their end: what they import, the folders they hold, and the signals that stop them."""
