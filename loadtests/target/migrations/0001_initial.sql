-- The permit service's tables. Applied once, in one transaction, under the advisory lock of database.py.

CREATE TABLE account (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username      text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('applicant', 'officer', 'satgas')),
    province      text NOT NULL,
    name          text NOT NULL,
    password_hash text NOT NULL
);

CREATE TABLE application (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id     bigint NOT NULL REFERENCES account,
    channel        text NOT NULL CHECK (channel IN ('portal', 'mobile', 'priority')),
    priority       boolean NOT NULL DEFAULT false,
    business_name  text NOT NULL,
    province       text NOT NULL,
    nik            text,
    kbli           text,
    investment_idr bigint,
    state          text NOT NULL DEFAULT 'draft' CHECK (state IN
                     ('draft', 'nik_checked', 'in_review', 'returned', 'approved', 'rejected', 'issued')),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    submitted_at   timestamptz
);
CREATE INDEX application_of_account ON application (account_id, id DESC);
-- The officers' queue: priority projects first, then the oldest. Only what waits is in the index.
CREATE INDEX application_queue ON application (province, priority DESC, submitted_at, id) WHERE state = 'in_review';

CREATE TABLE document (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id bigint NOT NULL REFERENCES application,
    name           text NOT NULL,
    media_type     text NOT NULL,
    sha256         bytea NOT NULL,
    size           integer NOT NULL,
    body           bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (application_id, sha256)
);
-- PDF and JPEG are compressed already: store them as they are.
ALTER TABLE document ALTER COLUMN body SET STORAGE EXTERNAL;

-- A NIB is issued once: one row an application, and the number itself is the key.
CREATE SEQUENCE nib_sequence;
CREATE TABLE nib (
    nib             text PRIMARY KEY,
    application_id  bigint NOT NULL UNIQUE REFERENCES application,
    idempotency_key text NOT NULL,
    business_name   text NOT NULL,
    province        text NOT NULL,
    kbli            text NOT NULL,
    issued_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX nib_business_name ON nib (lower(business_name) text_pattern_ops);

CREATE TABLE decision (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id bigint NOT NULL REFERENCES application,
    officer_id     bigint NOT NULL REFERENCES account,
    outcome        text NOT NULL CHECK (outcome IN ('approve', 'reject', 'return')),
    reason         text NOT NULL,
    decided_at     timestamptz NOT NULL DEFAULT now()
);

-- Who asked the population registry, and what it said. The NIK itself stays with the application.
CREATE TABLE nik_check (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    nik_hash   bytea NOT NULL,
    outcome    text NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE callback (
    event_id    text PRIMARY KEY,
    agency      text NOT NULL,
    nib         text NOT NULL REFERENCES nib,
    permit      text NOT NULL,
    status      text NOT NULL CHECK (status IN ('fulfilled', 'rejected')),
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX callback_of_nib ON callback (nib);

CREATE TABLE project (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE,
    sector    text NOT NULL,
    province  text NOT NULL,
    value_idr bigint NOT NULL,
    status    text NOT NULL
);

CREATE TABLE message (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES project,
    account_id bigint NOT NULL REFERENCES account,
    author     text NOT NULL,
    body       text NOT NULL,
    sent_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_of_project ON message (project_id, id DESC);
