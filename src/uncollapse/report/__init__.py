"""Report: what people look at of runs, drawn from their folders alone; nothing is trained."""
