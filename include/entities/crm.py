"""The entities of a CRM; see ``entities.py``."""

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
            tier="text",
            owner_id="text",
            parent_id="text",
            lifecycle_stage="text",
            is_test="boolean",
            contract_arr="numeric",  # of a CRM that keeps contracts as fields of the company: its ARR,
            contract_mrr="numeric",  # or its MRR,
            contract_start="date",
            renewal_date="date",  # the first day after the term
            contract_status="text",  # active, or lost: nothing runs any more
            contract_currency="text",
            employees="numeric",
            brand="text",  # how well known it is, in the words of sql/value: fortune_500, listed, unicorn, known, none
            referrals="numeric",  # deals that it referred and references that it gave, in 24 months
            merged_ids="text",  # the accounts that were merged into this one, where the survivor says it
            merged_into="text",  # the account that this one was merged into, where the loser says it
            crm_account_id="text",  # of a billing system: the account of the CRM that this customer is
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
            contract_number="text",  # what stays the same over all terms of one contract
            amount="numeric",
            currency="text",
            close_date="date",
            renews_id="text",  # the deal that this one renews, replaces or amends
            term_start="date",  # of a deal without lines: first day of what it sells
            term_end="date",  # exclusive
            term_months="bigint",  # instead of the end
            amount_per="text",  # of a deal without lines: term (default), year, month
            change_amount="text",  # of a deal without lines that changes what runs: difference (default), total
            notice_months="bigint",
            is_auto_renew="boolean",
            is_ended="boolean",  # what it sells runs no more, where no date says since when
            notice_given_on="date",
            lost_reason="text",
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
            account_id="text",
            product="text",
            quantity="numeric",
            amount="numeric",  # after discount, of what amount_per says
            unit_price="numeric",  # instead of the amount: of one unit
            amount_per="text",  # term (default), period (one billing period), year, month
            change_amount="text",  # where it changes what runs: difference (default), or the new total
            billing_frequency="text",  # in HubSpot's words: monthly, annually, per_two_years ...
            list_amount="numeric",
            currency="text",
            is_recurring="boolean",
            recurs_by_term="boolean",  # billed once, and recurring all the same if it has an end or a length
            is_overage="boolean",  # bills use beyond the commitment, afterwards: never ARR
            is_evergreen="boolean",  # runs until it is cancelled: amount is a year's, term_end the day of that if known
            term_start="date",
            term_end="date",  # exclusive: the day on which the next term would start
            term_months="bigint",  # instead of the end
            replaces_id="text",  # the line that this one renews, replaces or amends
            paused_on="date",  # first day of a pause
            resumed_on="date",  # first day after it
            created_at="timestamptz",
            updated_at="timestamptz",
        ),
        history=True,
        account_ref="account_id",
    ),
    # What these say of a past day follows from their own dates (issued, due, done), so that they need no versions.
    Entity(
        "activity",
        "crm",
        columns(
            account_id="text",
            contact_id="text",
            owner_id="text",
            activity_type="text",  # call, meeting, email, note, task
            direction="text",  # in, out; empty where nobody was reached, as for notes
            outcome="text",  # in the CRM's words
            subject="text*",
            happened_at="timestamptz",  # may be ahead, as of planned meetings
            duration_minutes="double precision",
            is_completed="boolean",  # it took place: held, connected, sent, done
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
            paid_on="date",  # when the last of it was paid
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
            kind="text",  # such as onboarding or review
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
