"""`POST /ask/{conversation_id}`: a conversation backend over plain HTTP."""
