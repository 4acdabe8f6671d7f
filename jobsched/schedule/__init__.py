"""When: arithmetic on time, without I/O."""
