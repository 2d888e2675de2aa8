"""What a report says first: which loader, by what factor, what holds the training back, what to do next, what is wrong."""
