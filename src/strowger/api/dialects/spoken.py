"""Every dialect there is, and the page that says where each of their endpoints stands."""

from strowger.api.dialects.endpoints import Dialect
from strowger.api.dialects.ravan import RAVAN
from strowger.api.dialects.revring import REVRING
from strowger.api.dialects.ringyo import RINGYO
from strowger.api.dialects.ryvo import RYVO
from strowger.api.dialects.vocode import VOCODE

SPOKEN: tuple[Dialect, ...] = (RYVO, RAVAN, REVRING, RINGYO, VOCODE)
NAMES = tuple(dialect.name for dialect in SPOKEN)
FORMATS = frozenset(NAMES) | {format for dialect in SPOKEN for format in dialect.formats}
"""What webhooks can be written in, besides Strowger's own way."""

INTRODUCTION = """\
# Dialects

Clients of these vendors' call APIs work against Strowger when their base URL is changed to
`http://HOST/DIALECT`, or by DNS alone with `STROWGER_DIALECT_HOSTS` (host names to dialects; see
[configuration](../configuration.md)). The key is one of Strowger's, sent the vendor's way. The same
scopes and limits hold as in [Strowger's own API](../openapi.json), and what is made here is seen
there.

Webhooks are written in the vendor's way where they are registered the vendor's way, and for the
`webhook_url` of a call placed in a dialect. Any other webhook gets the same with the `format` named
below when it is added with `POST /v1/webhooks`. Every delivery is signed as Standard Webhooks say,
whatever the vendor does besides.

*Served* is as the vendor documents it; *translated* is with what Strowger has in its place;
*refused* answers with the vendor's error and says why. This page is printed by
`python -m strowger.api.dialects`.
"""


def page() -> str:
    """docs/reference/dialects/README.md."""
    return "\n".join([INTRODUCTION, *(_section(dialect) for dialect in SPOKEN)])


def _section(dialect: Dialect) -> str:
    formats = ", ".join(f"`{format}`" for format in dialect.formats)
    lines = [
        f"## {dialect.title}",
        "",
        f"Under `/{dialect.name}`; webhook formats {formats};"
        f" choices made in [{dialect.name}.md]({dialect.name}.md).",
        "",
        "| Endpoint | | |",
        "|---|---|---|",
    ]
    for endpoint in dialect.endpoints:
        paths = ", ".join(f"`{path}`" for path in (endpoint.path, *endpoint.also))
        note = endpoint.note.replace("|", "\\|")
        lines.append(f"| {endpoint.method} {paths} | {endpoint.standing.value} | {note} |")
    return "\n".join([*lines, ""])
