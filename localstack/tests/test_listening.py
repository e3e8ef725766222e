"""Where LocalStack is reached, which asks nobody for a password."""

import socket
from urllib.parse import urlsplit

import pytest


def test_it_listens_at_the_address_that_it_was_given_and_at_no_other(endpoint_url):
    port = urlsplit(endpoint_url).port
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)
