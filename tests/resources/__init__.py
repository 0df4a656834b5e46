"""Resources over HTTP and from Python, on every backend."""
