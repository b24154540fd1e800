"""Conversations that a speech-to-speech service holds, in place of three providers."""
