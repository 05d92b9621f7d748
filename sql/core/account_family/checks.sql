-- warn: parents_in_a_circle: The CRM names these accounts as each other's parents; each counts as its own top.
select account_key from core.account_family where is_in_circle
