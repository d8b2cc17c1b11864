"""Commands about the processes of this machine and of the fleet."""
