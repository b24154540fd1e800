"""Where a call may go: telephone numbers, `sip:` addresses, and the countries allowed.

Only form and policy are judged here; whether anybody answers there, the network says.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

from strowger.agent import AgentDefinition, TransferTool
from strowger.errors import Forbidden

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
MEXICAN_MOBILE = re.compile(r"\+521([0-9]{10})")
"""The form with a 1 after the country code, official until 2019 and still in every address book."""
SIP_URI = re.compile(
    r"sip:(?:[A-Za-z0-9_.!~*'()&=+$,%-]{1,64}@)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::[1-9][0-9]{0,4})?"
)
LONGEST_SIP_URI = 255
INTERNATIONAL_NETWORKS = "001"
"""The region of satellite and other numbers that belong to no country."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPolicy:
    """Where calls are allowed to go."""

    allow_countries: frozenset[str] = frozenset()
    """ISO 3166 codes such as `US`, `001` for satellite networks; empty for everywhere."""
    allow_sip_uris: bool = False


def is_sip_uri(destination: str) -> bool:
    return destination[:4].lower() in {"sip:", "sips"}


@lru_cache(maxsize=1024)  # a request's is judged twice: as its field, and as the call's
def phone_number_problem(number: str) -> str | None:
    """What is wrong with a number that should be E.164, in words for whoever sent it."""
    if not E164.fullmatch(number):
        return "expected an E.164 number: + and the country code, digits only, as in +14155550100"
    try:
        parsed = phonenumbers.parse(_current_form(number))
    except phonenumbers.NumberParseException:
        return f"{number} has no country code that is in use"
    # Possible, not valid: numbers kept for fiction (555-0100) and ranges opened since the
    # library's last edition are good numbers that "valid" would refuse.
    if not phonenumbers.is_possible_number(parsed):
        return f"{number} is not a possible number: it has too few or too many digits"
    return None


NumberRule = Callable[[str], str | None]
"""What is wrong with the form of a number, in words for whoever sent it; None for nothing."""


def destination_problem(destination: str, numbers: NumberRule = phone_number_problem) -> str | None:
    """What is wrong with the form of a call's destination; numbers are judged by `numbers`."""
    if not is_sip_uri(destination):
        return numbers(destination)
    if len(destination) > LONGEST_SIP_URI or not SIP_URI.fullmatch(destination):
        return "expected sip:user@host or sip:user@host:port, without parameters"
    return None


def check_destination_allowed(destination: str, policy: DialPolicy) -> None:
    """Raise Forbidden for a well-formed destination that the policy bars."""
    if is_sip_uri(destination):
        if not policy.allow_sip_uris:
            raise Forbidden(
                "calls to sip: addresses are not allowed here (STROWGER_ALLOW_SIP_URIS)",
                code="destination_not_allowed",
            )
        return
    if not policy.allow_countries:
        return
    regions = regions_of(destination)
    barred = regions - policy.allow_countries
    if barred:
        raise Forbidden(
            f"calls to {destination} ({', '.join(sorted(barred)[:3])}) are not allowed here "
            "(STROWGER_ALLOW_COUNTRIES)",
            code="destination_not_allowed",
        )


def check_transfers_allowed(definition: AgentDefinition, policy: DialPolicy) -> None:
    """Raise Forbidden where a tool of an agent could put a callee through to a barred place."""
    for tool in definition.tools:
        if isinstance(tool, TransferTool):
            for target in tool.targets:
                check_destination_allowed(target.to, policy)


def regions_of(number: str) -> frozenset[str]:
    """The country of a number, or all it may belong to where its digits do not tell.

    Countries share codes (+1 is 25 of them), and a number range too new for the library could
    be any of these: the policy has to allow them all.
    """
    try:
        parsed = phonenumbers.parse(_current_form(number))
    except phonenumbers.NumberParseException:
        return frozenset({"ZZ"})  # of no country (ISO 3166 keeps ZZ for users): on no list
    region = phonenumbers.region_code_for_number(parsed)
    if region is not None:
        return frozenset({region})
    return frozenset(phonenumbers.region_codes_for_country_code(parsed.country_code or 0))


def _current_form(number: str) -> str:
    """The number as libphonenumber knows it; dialled it is as the customer wrote it."""
    return MEXICAN_MOBILE.sub(r"+52\1", number) if MEXICAN_MOBILE.fullmatch(number) else number
