"""Data folder: the weights manifest and the bundled models; a package so that an installed wheel finds it."""
