"""The form in which e-mail addresses are compared. SQL (auth_sync_normal_v1) and the index have the same rule."""

from string import ascii_lowercase, ascii_uppercase

INVISIBLE = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x7f\x85\xa0\xad\u034f\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffc"
)
"""The characters that spreadsheets and copied web pages leave around an address (auth_sync_invisible_v1)."""

TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def normal_address(email: str) -> str:
    """Return the address without invisible characters around it, and with ASCII letters in lower case.

    Other letters are kept. Otherwise an address that resembles another, such as one with a KELVIN SIGN, would be the
    address of another person.
    """
    return email.strip(INVISIBLE).translate(TO_LOWER)
