"""What messages between workers are about, where more than one module has to say it alike."""

# What begins like this concerns one user, wherever that user's sockets are.
USERS = "user:"


def topic_of(user_id: str) -> str:
    """The topic of everything that is pushed to the sockets of a user."""
    return f"{USERS}{user_id}"
