"""What runs on this machine in AWS's place: its services, how each is started, and whether the machine is fit."""
