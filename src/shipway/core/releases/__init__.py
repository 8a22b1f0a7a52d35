"""What goes out together, and the runs and gates that bring it there."""
