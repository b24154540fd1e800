"""What every agent says where neither its flow nor its model has the word."""

ARE_YOU_THERE = "Are you still there?"
SAY_IT_AGAIN = "Could you please say that again?"
NOT_UNDERSTOOD = "I'm sorry, I could not understand you. Goodbye."
NOBODY_THERE = "I cannot hear you, so I am ending the call now. Goodbye."
TIME_IS_UP = "I'm sorry, our time is up and I have to end the call now. Goodbye."
APOLOGY = "I'm sorry, I have a technical problem, one moment please."
LAST_APOLOGY = "I'm sorry, I still have a technical problem and have to end the call. Goodbye."
