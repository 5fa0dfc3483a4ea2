"""Policy reciprocity: agents learn tables of action values and pull their values towards those of others."""
