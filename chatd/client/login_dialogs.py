"""Asks the user for a nick and a password, and logs in with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from textual.app import App

from chatd.client.connection import Address
from chatd.client.dialogs import NickDialog, PasswordDialog
from chatd.client.pending import RefusedByServer

PASSWORD_REFUSAL_CODES: Final = ("password_required", "wrong_password")
"""Codes of login refusals after which the client asks the user for the password of the nick."""


class LoginDialogs:
    """Opens the dialogs of ``app`` that ask for a nick and a password, for the login at the server
    ``address``.

    ``log_in`` is called with the entered nick and password. The password is empty if the user has not been
    asked for one.
    """

    def __init__(self, app: App[None], address: Address, log_in: Callable[[str, str], None]) -> None:
        self._app = app
        self._address = address
        self._log_in = log_in

    def ask_nick(self, nick: str = "", why: str = "") -> None:
        """Ask the user for a nick.

        ``nick`` is the suggestion, and ``why`` says why the last nick was refused.
        """

        def log_in(chosen: str | None) -> None:
            assert chosen  # the dialog returns nothing else
            self._log_in(chosen, "")

        self._app.push_screen(NickDialog(str(self._address), nick, why), log_in)

    def ask_again(self, nick: str, refused: RefusedByServer) -> None:
        """Ask the user for the password or for another nick, after the daemon ``refused`` the login as
        ``nick``.
        """
        if refused.code not in PASSWORD_REFUSAL_CODES:
            self.ask_nick(nick, str(refused))
            return

        def log_in(password: str | None) -> None:
            if password:
                self._log_in(nick, password)
            else:
                self.ask_nick(nick)

        self._app.push_screen(PasswordDialog(str(refused)), log_in)
