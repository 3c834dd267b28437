-- A login waits in `login`, becomes a grant behind a code in `authorization_code`, and claims behind a token in
-- `access_token`. A row is an id, an expiry in seconds since 1970, and a sealed letter; both the id and the sealing
-- key come from a value that only its bearer holds. Nothing here can be read or joined without those values.

create table login (
    id bytea not null primary key,
    expires_at bigint not null,
    sealed bytea not null
);
create index login_expires_at on login (expires_at);

create table authorization_code (
    id bytea not null primary key,
    expires_at bigint not null,
    sealed bytea not null
);
create index authorization_code_expires_at on authorization_code (expires_at);

-- Inserting the token is what spends the code: `code_id` is unique. A revoked token keeps its row, emptied, so that
-- its code stays spent.
create table access_token (
    id bytea not null primary key,
    code_id bytea not null unique,
    expires_at bigint not null,
    sealed bytea not null
);
create index access_token_expires_at on access_token (expires_at);

-- `slot` is the algorithm and a running number, such as RS256/3: of several instances that rotate at once, one wins.
create table signing_key (
    slot text not null primary key,
    signs_at bigint not null,
    revoked_at bigint,
    sealed bytea not null
);

-- Secrets of the whole deployment, such as the one that pairwise subject identifiers are derived with.
create table deployment_secret (
    name text not null primary key,
    sealed bytea not null
);

-- Relying parties that are kept here rather than in the configuration. Secrets are hashes of 256 random bits.
create table client (
    client_id text not null primary key,
    metadata text not null,
    secrets text not null,
    changed_at bigint not null
);
