/** Accounts, nonces, transactions, idempotency keys, audit. */
export const sql = `
-- An account key belongs to one chain: private transactions carry no chain id and could be replayed on another.
CREATE TABLE accounts (
  address text PRIMARY KEY CHECK (address ~ '^0x[0-9a-f]{40}$'),
  name text NOT NULL,
  key_id text NOT NULL,
  chain_id bigint NOT NULL,
  genesis_sha256 text NOT NULL,
  config_hash text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- The next nonce to use; its row is locked while a nonce is given out, signed with and stored.
CREATE TABLE nonces (
  address text PRIMARY KEY REFERENCES accounts (address),
  next bigint NOT NULL CHECK (next >= 0)
);

-- signed: stored, not known to be at a node. sent: a node took it. mined: in a block. failed: a node refused it for good
-- and its nonce was given back or filled. replaced: another transaction with its nonce is in a block.
CREATE TABLE transactions (
  id uuid PRIMARY KEY,
  address text NOT NULL REFERENCES accounts (address),
  nonce bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('signed', 'sent', 'mined', 'failed', 'replaced')),
  purpose text NOT NULL CHECK (purpose IN ('request', 'filler')),
  request_hash text NOT NULL,
  raw text NOT NULL,
  hash text NOT NULL,
  issuer text NOT NULL,
  subject text NOT NULL,
  node text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  block_number bigint,
  error text
);
CREATE UNIQUE INDEX transactions_one_per_nonce ON transactions (address, nonce) WHERE status IN ('signed', 'sent', 'mined');
CREATE INDEX transactions_open ON transactions (address, nonce) WHERE status IN ('signed', 'sent');
CREATE INDEX transactions_hash ON transactions (hash);

CREATE TABLE idempotency_keys (
  issuer text NOT NULL,
  subject text NOT NULL,
  key text NOT NULL,
  request_hash text NOT NULL,
  transaction_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, subject, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- One chain of hashes a writer: hash = sha256(previous, sequence, entry). Written in the transaction of what it is about.
CREATE TABLE audit_heads (
  writer text PRIMARY KEY,
  sequence bigint NOT NULL,
  hash text NOT NULL
);
CREATE TABLE audit (
  writer text NOT NULL,
  sequence bigint NOT NULL,
  previous text NOT NULL,
  hash text NOT NULL,
  entry text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (writer, sequence)
);
`;
