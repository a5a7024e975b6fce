"""The sessions that act as server operators, each with the rights of an operator's account.

A session of a user who is no operator gets these rights by the nick and the password of an operator.
The rights are the session's: other sessions of the user don't have them.
"""

from __future__ import annotations

from collections.abc import Callable

from chatd.boundaries import Client, Requester
from chatd.core.accounts import AccountPolicy, Credential, same_password_hash
from chatd.core.events import User
from chatd.core.moderation_rules import is_server_operator, server_operator_ids
from chatd.core.state import State


class OperatorSessions:
    """The sessions that act with the rights of a server operator after giving that operator's password.

    ``get_state`` returns the present state of the chat.
    """

    def __init__(self, get_state: Callable[[], State], policy: AccountPolicy) -> None:
        self._get_state = get_state
        self._policy = policy
        # What the password of an operator was verified against in each session that has given one.
        self._credentials: dict[Requester, Credential] = {}

    def add(self, client: Client, credential: Credential) -> bool:
        """Give ``client`` the rights of the account with ``credential``, whose password was verified.

        Return False and change nothing if the account is not a server operator's, or if its password was
        changed after it was verified.
        """
        if self._operator_with(credential) is None:
            return False
        self._credentials[client] = credential
        return True

    def remove(self, client: Client) -> bool:
        """Take back the rights of an operator's account from ``client``. Return whether it had any."""
        return self._credentials.pop(client, None) is not None

    def remove_lapsed(self) -> None:
        """Take back the rights of accounts that are no longer server operators or have a new password.

        A session does not get the rights back by itself.
        """
        for client, credential in tuple(self._credentials.items()):
            if self._operator_with(credential) is None:
                del self._credentials[client]

    def operator_of(self, requester: Requester) -> User | None:
        """Return the server operator with whose rights ``requester`` acts, or None if it has no such rights.

        This is the operator whose password the session has given (see `add`). Otherwise it is the session's
        own user, if that user is a server operator and the session has no token.
        """
        credential = self._credentials.get(requester)
        operator = None if credential is None else self._operator_with(credential)
        if operator is not None:
            return operator
        user = requester.user
        if user is None or requester.token is not None:
            return None
        return user if is_server_operator(self._get_state(), user, self._policy) else None

    def user_ids(self) -> set[int]:
        """Return the ids of all server operators, and of the users with a session that acts as a server
        operator.
        """
        ids = server_operator_ids(self._get_state(), self._policy)
        for client, credential in self._credentials.items():
            if client.user is not None and self._operator_with(credential) is not None:
                ids.add(client.user.id)
        return ids

    def _operator_with(self, credential: Credential) -> User | None:
        """Return the user of ``credential`` if it is in force and the user is a server operator."""
        state = self._get_state()
        present = state.credentials.get(credential.user.id)
        if present is None or not same_password_hash(present, credential):
            return None
        return present.user if is_server_operator(state, present.user, self._policy) else None
