"""What can go wrong between an operator's program and a station, in words a technician understands."""

from __future__ import annotations

import enum
import errno
import socket
from typing import Any


class Trouble(enum.Enum):
    """What kind of trouble it is; what to do follows from it."""

    WRONG_URL = "wrong address"
    NO_ANSWER = "nobody there"
    SILENT = "no answer"
    LOST = "connection lost"
    NO_STATION = "no gridhil station"
    LOGIN = "login refused"
    SECURITY = "encryption"
    CERTIFICATE = "certificate"
    REFUSED = "refused"


WORDS = {
    "Good": "done",
    "BadNodeIdUnknown": "the station has no such point any more",
    "BadNodeIdInvalid": "the station has no such point any more",
    "BadNotWritable": "this point cannot be written",
    "BadOutOfRange": "the value is outside what the point takes",
    "BadTypeMismatch": "the value is of another type",
    "BadTimeout": "no verdict in time; look at the plant before trying again",
    "BadInvalidState": "refused by the plant: interlock, local control, tag-out, lockout or not armed",
    "BadResourceUnavailable": "the station is busy; try again",
    "BadUserAccessDenied": "your role may not do this",
    "BadNoCommunication": "the plant's process does not answer",
    "BadDeviceFailure": "the audit record could not be written, so nothing was done",
    "BadNoData": "nothing is recorded of it",
    "BadNoDataAvailable": "nothing is recorded of it",
    "BadNotSupported": "this station keeps no such records",
    "BadTooManyOperations": "too much at once; try again",
    "BadInvalidArgument": "the station does not take these arguments",
    "BadMethodInvalid": "the station does not offer this service",
}
"""Status code -> words."""

_LOGIN = (
    "BadUserAccessDenied",
    "BadIdentityTokenRejected",
    "BadIdentityTokenInvalid",
    "BadUserSignatureInvalid",
)
_LOST = (
    "BadConnectionClosed",
    "BadSecureChannelClosed",
    "BadSecureChannelIdInvalid",
    "BadSessionIdInvalid",
    "BadSessionClosed",
    "BadShutdown",
    "BadServerHalted",
    "BadCommunicationError",
    "BadNoSubscription",
    "BadSubscriptionIdInvalid",
)

_UNSURE = ("BadTimeout", "BadRequestTimeout")


def is_unsure(status: str) -> bool:
    """Tell whether a command with this status may have been done all the same."""
    return status in _UNSURE


def words_of(status: str) -> str:
    """Return words for the name of a status code; the name itself where there are none."""
    return WORDS.get(status, status)


class StationError(Exception):
    """Something went wrong; the text is for people.

    Attributes
    ----------
    trouble : Trouble
    is_unsure : bool
        A command was on its way: nobody knows whether it was done.
    """

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.is_unsure = False

    @classmethod
    def of_status(cls, error: Any, user: str) -> StationError:
        """Return the error of a refused service call."""
        name = type(error).__name__
        if name in _LOGIN:
            who = f"user {user!r}" if user else "anonymous"
            return cls(
                Trouble.LOGIN,
                f"the station does not let {who} in: wrong name or password, or locked out for a minute",
            )
        if name in _UNSURE:
            return cls(Trouble.SILENT, words_of("BadTimeout"))
        if name in _LOST:
            return cls(Trouble.LOST, f"the station ended the connection ({name})")
        return cls(Trouble.REFUSED, words_of(name))

    @classmethod
    def of_os(cls, error: OSError, where: str) -> StationError:
        """Return the error of a connection that cannot be made or broke."""
        if isinstance(error, socket.gaierror):
            return cls(Trouble.NO_ANSWER, f"{where}: no machine of this name is known")
        if error.errno == errno.ECONNREFUSED or isinstance(error, ConnectionRefusedError):
            return cls(
                Trouble.NO_ANSWER,
                f"nothing listens at {where}: start a station there (gridhil run), or wait for it",
            )
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return cls(Trouble.NO_ANSWER, f"{where} cannot be reached from here: {error.strerror}")
        return cls(
            Trouble.LOST, f"connection to {where} lost" + (f": {error.strerror}" if error.strerror else "")
        )
