"""What all parts share of errors."""

from strowger.errors import NotFound, ProviderError, leaves


def test_the_leaves_of_nested_groups_are_what_was_raised_in_order() -> None:
    stalled, gone = ProviderError("stalled", retryable=True), NotFound("gone")
    inner = ExceptionGroup("replying", [ExceptionGroup("speaking", [stalled])])
    assert list(leaves(ExceptionGroup("call", [inner, gone]))) == [stalled, gone]
