"""Live calls that a speech-to-speech service holds: the second kind of session."""
