-- Money moves once: what left the accounts equals what the payments say, at every moment.
CREATE TABLE accounts (
    id      BIGINT PRIMARY KEY,
    opening BIGINT NOT NULL,
    balance BIGINT NOT NULL
);

CREATE TABLE payments (
    key     TEXT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES accounts,
    amount  BIGINT NOT NULL,
    receipt BIGINT NOT NULL
);

INSERT INTO accounts (id, opening, balance)
SELECT id, 1000000, 1000000 FROM generate_series(0, 999) AS id;
