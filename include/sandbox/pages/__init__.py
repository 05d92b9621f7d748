"""What a person looks at: the inbox with all mails and chat messages, and the CRM's records that they link to."""
