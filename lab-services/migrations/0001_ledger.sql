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

-- Who changed what together: a row for each debit and each record, with the transaction it was in.
-- Debits and records that were committed apart show here for good, however short the gap was.
CREATE TABLE audit (
    transaction XID8   NOT NULL DEFAULT pg_current_xact_id(),
    debited     BIGINT NOT NULL DEFAULT 0,
    paid        BIGINT NOT NULL DEFAULT 0
);

-- They book with the rights of the owner, since who changes a row has none on the audit.
CREATE FUNCTION audit_debit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    INSERT INTO audit (debited) VALUES (OLD.balance - NEW.balance);
    RETURN NULL;
END $$;

CREATE FUNCTION audit_payment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    INSERT INTO audit (paid) VALUES (coalesce(NEW.amount, 0) - coalesce(OLD.amount, 0));
    RETURN NULL;
END $$;

CREATE TRIGGER audit AFTER UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION audit_debit();
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF amount ON payments
    FOR EACH ROW EXECUTE FUNCTION audit_payment();
