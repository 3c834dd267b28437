-- Single sign-on sessions, pushed authorization requests and refresh tokens are rows like the others: an id, an expiry
-- and a sealed letter, found and opened by what only the browser or the client holds. What belongs to a session or to a
-- refresh token says so by random tags, another one for each client, so that it can end with it and nothing be joined.

create table session (
    id bytea not null primary key,
    expires_at bigint not null,
    sealed bytea not null
);
create index session_expires_at on session (expires_at);

create table pushed_request (
    id bytea not null primary key,
    expires_at bigint not null,
    sealed bytea not null
);
create index pushed_request_expires_at on pushed_request (expires_at);

-- One row for all refresh tokens that follow one another: `turn` is the hash of what only the latest of them holds, so
-- one conditional update rotates, and an older token shows itself. `code_id` is the code that it came from.
create table refresh_token (
    id bytea not null primary key,
    code_id bytea not null unique,
    turn bytea not null,
    expires_at bigint not null,
    sealed bytea not null
);
create index refresh_token_expires_at on refresh_token (expires_at);

-- Client assertions that were accepted once, until they expire. `id` is a hash of client and `jti`.
create table used_assertion (
    id bytea not null primary key,
    expires_at bigint not null
);
create index used_assertion_expires_at on used_assertion (expires_at);

-- Relying parties that are still to be told of a session's end. Sealed under the master key: nobody outside holds one.
create table logout_notice (
    id text not null primary key,
    due_at bigint not null,
    attempts bigint not null,
    expires_at bigint not null,
    sealed bytea not null
);
create index logout_notice_due_at on logout_notice (due_at);

-- A token from a refresh stands under its own id and names the code that its refresh token came from.
alter table access_token add column family bytea;
alter table access_token add column session_tag bytea;
create index access_token_family on access_token (family);
create index access_token_session_tag on access_token (session_tag);

alter table authorization_code add column session_tag bytea;
create index authorization_code_session_tag on authorization_code (session_tag);

-- Clients that registered themselves: the hash of the token with which each changes its own registration.
alter table client add column registration text;
