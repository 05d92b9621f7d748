"""The entities of a CRM; see ``catalog.py``."""

from __future__ import annotations

from include.entities.entity import Entity, columns

CRM = (
    Entity(
        "account",
        "crm",
        columns(
            name="text",
            domain="text",
            industry="text",
            region="text",
            language="text",  # that the company is written to in, such as de or Chinese
            tier="text",
            owner_id="text",
            parent_id="text",
            lifecycle_stage="text",
            is_test="boolean",
            contract_arr="numeric",  # if the CRM stores contracts as fields of the company: ARR,
            contract_mrr="numeric",  # or MRR instead
            contract_start="date",
            renewal_date="date",  # the first day after the term
            contract_status="text",  # active, or lost: no contract is running
            contract_currency="text",
            employees="numeric",
            brand="text",  # brand recognition, by the values of sql/value: fortune_500, listed, unicorn, known, none
            referrals="numeric",  # deals referred and references given in 24 months
            reference_consent="boolean",  # whether others may be told of the customer
            reference_asked_on="date",  # when it was last asked to be a reference
            merged_ids="text",  # the accounts that were merged into this one, if the CRM records them at the survivor
            merged_into="text",  # the account that this one was merged into, if the CRM records it at the loser
            crm_account_id="text",  # of a billing system: the customer's account in the CRM
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
        is_account=True,
    ),
    Entity(
        "contact",
        "crm",
        columns(
            account_id="text",
            email="text*",
            other_emails="text*",
            first_name="text*",
            last_name="text*",
            job_title="text",
            role="text",
            language="text",
            region="text",  # where the person is, named like the accounts' regions
            is_opted_out="boolean",  # wants no mails; empty while the CRM does not say
            has_bounced="boolean",  # its address refused a mail for good
            consent="text",  # to mails, in the CRM's own words, such as a legal basis
            owner_id="text",
            last_contacted_at="timestamptz",
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
        account_ref="account_id",
    ),
    Entity(
        "owner",
        "crm",
        columns(
            email="text*",
            first_name="text*",
            last_name="text*",
            user_id="text",
            owner_type="text",
            team="text",
            is_active="boolean",
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
    ),
    Entity(
        "opportunity",
        "crm",
        columns(
            account_id="text",
            name="text",
            pipeline="text",
            stage="text",
            is_closed="boolean",
            is_won="boolean",
            opportunity_type="text",  # new, renewal, expansion
            contract_number="text",  # stays the same over all terms of one contract
            amount="numeric",
            currency="text",
            close_date="date",
            renews_id="text",  # the deal that this one renews, replaces or amends
            term_start="date",  # of a deal without lines: first day of the term sold
            term_end="date",  # exclusive
            term_months="bigint",  # instead of term_end
            amount_per="text",  # of a deal without lines: term (default), year, month
            # of a deal without lines that changes a running contract: difference (default), total
            change_amount="text",
            notice_months="bigint",
            is_auto_renew="boolean",
            is_evergreen="boolean",  # of a deal without lines: it runs until it is cancelled, on term_end if set
            is_ended="boolean",  # the contract has ended, if no date says when
            is_paused="boolean",  # the contract is paused, if no date says since when
            notice_given_on="date",
            lost_reason="text",
            competitors="text",  # that sales recorded at the deal
            owner_id="text",
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
        account_ref="account_id",
    ),
    Entity(
        "contract_line",
        "crm",
        columns(
            opportunity_id="text",
            contract_id="text",  # without opportunity_id: lines with the same one make up a contract of their own
            account_id="text",
            product="text",
            quantity="numeric",
            amount="numeric",  # after discount, per amount_per
            unit_price="numeric",  # price of one unit, instead of amount
            is_flat_price="boolean",  # unit_price is the price of the whole line, whatever the quantity
            amount_per="text",  # term (default), period (one billing period), year, month
            change_amount="text",  # for a change of a running contract: difference (default), or the new total
            billing_frequency="text",  # HubSpot's values: monthly, annually, per_two_years ...
            list_amount="numeric",
            currency="text",
            is_recurring="boolean",
            recurs_by_term="boolean",  # billed once, but recurring if it has an end or a term length
            is_overage="boolean",  # bills usage above the commitment in arrears: never ARR
            is_evergreen="boolean",  # runs until cancelled: amount is per year, term_end the cancellation date if known
            term_start="date",
            term_end="date",  # exclusive: first day of the next term
            term_months="bigint",  # instead of term_end
            replaces_id="text",  # the line that this one renews, replaces or amends
            paused_on="date",  # first day of a pause
            resumed_on="date",  # first day after the pause
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
        account_ref="account_id",
    ),
    # A person who may buy: HubSpot's contact, Salesforce's lead. Versions, because CRMs overwrite stage dates.
    Entity(
        "lead",
        "crm",
        columns(
            account_id="text",  # empty until the CRM knows the company
            email="text*",  # read so that a person's lead can be erased
            channel="text",  # that brought the person first
            last_channel="text",  # the newest one
            last_touch_at="timestamptz",  # time of the newest one
            campaign="text",
            referred_by_id="text",  # the account that referred the person
            lead_at="timestamptz",
            qualified_at="timestamptz",  # by marketing
            sales_qualified_at="timestamptz",
            converted_at="timestamptz",  # first opportunity
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
        account_ref="account_id",
        is_optional=True,
    ),
    # These have their own dates (issued, due, done), from which any past day follows, so they need no versions.
    Entity(
        "activity",
        "crm",
        columns(
            account_id="text",
            contact_id="text",
            owner_id="text",
            activity_type="text",  # call, meeting, email, note, task
            direction="text",  # in, out; empty if nobody was contacted, as for notes
            outcome="text",  # the CRM's own values
            subject="text*",
            happened_at="timestamptz",  # may be in the future, for planned meetings
            duration_minutes="double precision",
            is_completed="boolean",  # held, connected, sent or done
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        account_ref="account_id",
        dirty_from="happened_at",
        is_optional=True,
    ),
    Entity(
        "invoice",
        "crm",
        columns(
            account_id="text",
            contract_number="text",
            number="text",
            amount="numeric",
            amount_open="numeric",
            currency="text",
            issued_on="date",
            due_on="date",
            paid_on="date",  # date of the final payment
            status="text",  # draft, open, paid, void
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        account_ref="account_id",
        dirty_from="issued_on",
        is_optional=True,
    ),
    Entity(
        "survey_response",
        "crm",
        columns(
            account_id="text",
            contact_id="text",
            survey="text",
            kind="text",  # nps (0 to 10), csat, ces
            score="numeric",
            comment="text*",
            answered_at="timestamptz",
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        account_ref="account_id",
        dirty_from="answered_at",
        is_optional=True,
    ),
    Entity(
        "milestone",
        "crm",
        columns(
            account_id="text",
            name="text",
            kind="text",  # for example onboarding or review
            due_on="date",
            done_on="date",
            status="text",
            owner_id="text",
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        account_ref="account_id",
        dirty_from="created_at",
        is_optional=True,
    ),
    Entity(
        "objective",
        "crm",
        columns(
            account_id="text",
            name="text",
            target="text",
            baseline="numeric",  # value before the customer began; these three make the objective countable
            current_value="numeric",
            target_value="numeric",
            unit="text",  # of the three numbers, such as days or %
            way="text",  # how the customer reaches it: manual, template, automatic
            status="text",
            due_on="date",
            done_on="date",
            owner_id="text",
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        account_ref="account_id",
        dirty_from="created_at",
        is_optional=True,
    ),
)
