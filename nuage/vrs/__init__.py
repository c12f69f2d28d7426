"""The VRS's side: what its tables mean, and what this driver reads from them and writes to them."""
