"""Words that tell something about turns, by language."""

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DIGITS: Mapping[str, frozenset[str]] = {
    "en": _words("double eight five four nine oh one seven six three triple two zero"),
    "es": _words("cero cinco cuatro dos nueve ocho seis siete tres uno"),
    "de": _words("acht drei eins fünf neun null sechs sieben vier zwei zwo"),
    "fr": _words("cinq deux huit neuf quatre sept six trois un zéro"),
    "pt": _words("cinco dois meia nove oito quatro seis sete três um zero"),
    "it": _words("cinque due nove otto quattro sei sette tre uno zero"),
}
"""Digits as they are said one by one."""
UNFINISHED: Mapping[str, frozenset[str]] = {
    "en": _words(
        "a an and are as at because but by dash dot er erm for from hyphen i'm if is it's my of or "
        "our plus slash than the their to uh um underscore was were when while with your"
    ),
    "es": _words(
        "a arroba con cuando de eh el en era es este guion la las los mi o para pero por porque "
        "punto que si son su un una y"
    ),
    "de": _words(
        "aber also an auf aus bei das dass der die ein eine für in ist mein meine minus mit oder "
        "punkt sind strich und von war weil wenn zu äh ähm"
    ),
    "fr": _words(
        "alors arobase avec dans de donc en est et euh la le les ma mais mes mon ou par parce "
        "point pour quand que si sont sur tiret un une à était"
    ),
    "pt": _words(
        "a arroba as com de e em era mas meu minha o os ou para ponto por porque quando que se "
        "são um uma é"
    ),
    "it": _words(
        "a che chiocciola con da di e eh era i il in la le ma mia mio o per perché punto quando "
        "se sono su un una è"
    ),
}
"""Words that hardly ever end what somebody wants to say."""
BACKCHANNEL: Mapping[str, frozenset[str]] = {
    "en": _words(
        "all alright cool good got great hm hmm huh i it mhm mm mmm ok okay right see sure uh uh- "
        "huh yeah yep yes"
    ),
    "es": _words("aja ajá bueno claro mhm mm ok okay si sí vale ya"),
    "de": _words("ach achso aha genau gut hm ja jaja klar mhm mm ok okay so"),
    "fr": _words("ah bien d'accord hm mhm mm ok okay ouais oui"),
    "pt": _words("aham certo claro mhm mm ok okay sim tá"),
    "it": _words("ah bene certo mhm mm ok okay si sì va"),
}
"""What people say to show that they listen."""
FAREWELL: Mapping[str, frozenset[str]] = {
    "en": _words(
        "bye bye-bye care day evening good goodbye have later much nice night one same so take "
        "thank thanks then to too very well you your yours"
    ),
    "es": _words("adiós buen buenas buenos chao día días gracias hasta igualmente luego muchas"),
    "de": _words("auf dank danke ebenso gleichfalls schönen tag tschüs tschüss vielen wiederhören"),
    "fr": _words("adieu au beaucoup bonne journée merci revoir salut vous également"),
    "pt": _words("adeus até bom dia igualmente logo muito obrigada obrigado tchau"),
    "it": _words("a arrivederci arrivederla buona ciao giornata grazie mille presto"),
}
"""What people answer to a goodbye, beside what shows that they listen."""
