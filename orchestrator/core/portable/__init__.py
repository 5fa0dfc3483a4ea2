"""Mathematics with the same bits on every processor: elementary functions, random draws, linear algebra."""
