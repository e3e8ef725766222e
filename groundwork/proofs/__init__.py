"""What proves the platform as a whole: processes killed while a shop is at work, and the figures that are known."""
