"""Known data sets, annotations, predictions and training samples: reading and checking them."""
