"""Linear features over finite Markov chains and decision processes."""
