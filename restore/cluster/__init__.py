"""Many machines: folders and stores by Ray Data, the service's restorers by Ray Serve."""
