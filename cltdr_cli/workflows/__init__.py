"""Each command as a function: detect, extract, train, evaluate."""
