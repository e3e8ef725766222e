"""The ways to run the platform's services on this machine. Everything above them is the same."""
