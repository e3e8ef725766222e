"""What asks the engines: one query, or whether all layers hold the same."""
