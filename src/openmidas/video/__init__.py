"""Films: decode, predict, hold steady, encode, in constant memory."""
