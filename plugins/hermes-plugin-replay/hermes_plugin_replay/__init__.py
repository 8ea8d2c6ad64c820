"""Record what a model said and play it back."""
