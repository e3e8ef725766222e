"""Would AWS allow what the platform does? The recorded calls, held against the deployed roles' policies."""
