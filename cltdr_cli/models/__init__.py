"""Networks: features in, head outputs out."""
