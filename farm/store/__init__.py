"""The daemon's memory: schema, the one writer, queries, and the library of programs."""
