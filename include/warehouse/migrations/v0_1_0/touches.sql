-- Hand-off lists of touches: messages to many customers at once. A list is made once per touch and day. Rows are only
-- added; an erasure blanks a person's line, and housekeeping those of old lists.
create table ops.touch_list (
    touch text not null, -- Name of the touch
    day date not null, -- Day of the list
    version int not null, -- Version of the touch
    n_accounts int not null, -- Accounts in the audience
    n_listed int not null, -- Contacts on the list
    n_excluded jsonb not null, -- Reason -> contacts that are not on it
    sha256 text not null, -- Hash of the CSV file
    made_at timestamptz not null, -- When it was made
    primary key (touch, day)
);

-- Contacts of the lists, each with its line of the CSV file.
create table ops.touch_contact (
    touch text not null, -- Name of the touch
    day date not null, -- Day of the list
    number int not null, -- Position in the list
    contact_key text not null, -- The contact
    account_key text not null,
    line text not null, -- The line; [erased] once the person was erased, or after `outbox_bodies` days
    is_whole boolean not null default false, -- Whether all contacts of the account with an address are on the list
    primary key (touch, day, number)
);
create index touch_contact_key on ops.touch_contact (contact_key, day);
create index touch_contact_account on ops.touch_contact (account_key);
