-- A journal as version 1 wrote it, with one conversation.
PRAGMA application_id = 1212502605;

CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- A conversation. "head" is also how many records it has: numbers have no gaps.
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL DEFAULT '',
    surface TEXT NOT NULL DEFAULT '',
    person TEXT NOT NULL,
    directory TEXT NOT NULL DEFAULT '',
    parent TEXT NOT NULL DEFAULT '',
    child INTEGER NOT NULL DEFAULT 0,   -- 1: a sub-agent's; forks have a parent too
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    head INTEGER NOT NULL DEFAULT 0,
    open_turn TEXT NOT NULL DEFAULT '',
    erased INTEGER NOT NULL DEFAULT 0   -- when it was forgotten
) STRICT;
CREATE UNIQUE INDEX sessions_title ON sessions (title) WHERE title != '';
CREATE INDEX sessions_person ON sessions (person);
CREATE INDEX sessions_updated ON sessions (updated);
CREATE INDEX sessions_open ON sessions (updated) WHERE open_turn != '';

-- "id" is the order of writing over all conversations, and the row of "words". Its lowest three
-- bits say the role (0: not in "words"), so that a search need not look at each record for it.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (number),
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    turn TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX records_place ON records (session, seq);

-- The earliest time among 4,096 records: where a search for older records may start (search.py).
CREATE TABLE blocks (block INTEGER PRIMARY KEY, oldest INTEGER NOT NULL) STRICT;

CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE bindings (
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    thread TEXT NOT NULL,
    person TEXT NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (platform, account, chat, thread, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_session ON bindings (session);

CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    item BLOB NOT NULL,                 -- emptied when settled
    time INTEGER NOT NULL,
    end TEXT NOT NULL DEFAULT '',       -- '': pending
    UNIQUE (queue, key)
) STRICT;
CREATE INDEX queue_pending ON queue (queue, id) WHERE end = '';

CREATE TABLE state (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    of TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    until INTEGER,
    UNIQUE (scope, of, name)
) STRICT;
CREATE INDEX state_until ON state (until) WHERE until IS NOT NULL;

CREATE TABLE leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO sessions VALUES (
    1, '01990000-0000-7000-8000-000000000001', 'Greetings', 'cli', 'owner', '/home/ann', '', 0,
    1790000000000000, 1790000000000500, 2, 't1', 0
);
INSERT INTO records VALUES
    (9, 1, 1, 1790000000000000, 't1', 'user', 1, CAST('{"text":"hello there"}' AS BLOB)),
    (16, 1, 2, 1790000000000500, 't1', 'telepathy', 3, CAST('{"thought":"hm"}' AS BLOB));
INSERT INTO words (rowid, text) VALUES (9, 'hello there');
INSERT INTO blocks VALUES (0, 1790000000000000);
INSERT INTO bindings VALUES ('cli', '', 'here', '', '', '01990000-0000-7000-8000-000000000001');
INSERT INTO queue VALUES (1, 'inbox', 'k1', x'', 1790000000000000, 'answered');
INSERT INTO state VALUES (1, 'person', 'owner', 'mood', x'22686922', NULL);
PRAGMA user_version = 1;
