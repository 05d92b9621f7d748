"""Pages for people: the inbox of mails and chat messages, and the CRM records that they link to."""
