"""Pages and pictures of runs, drawn from their folders alone."""
