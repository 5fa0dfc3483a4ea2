"""One cell: driven, measured, recorded, checkpointed and stored."""
