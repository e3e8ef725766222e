"""Who calls AWS here: the sessions of roles that services act in, and the record of every call."""
