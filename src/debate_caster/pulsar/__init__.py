"""The Pulsar protocol without I/O: frames, what agents say, what servers say, the agent's side as a machine."""
