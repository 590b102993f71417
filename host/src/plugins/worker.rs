//! Plugin processes: one plugin, one process, one thread.

#[cfg_attr(not(test), expect(dead_code, reason = "nothing starts a worker process yet"))]
mod sandbox;
