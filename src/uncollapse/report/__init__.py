"""What people look at, drawn from run folders alone: nothing is trained again."""
