/** The audit log can only be added to; checkpoints. Sidecars of the version before go on writing while it is rolled out. */
export const sql = `
-- 1: the hash is over previous, sequence and entry, line by line. 2: the entry holds all of them, and is hashed as it is.
ALTER TABLE audit ADD COLUMN format smallint NOT NULL DEFAULT 1;

-- Statements of the HSM over the ends of all chains; checkpoint is canonical JSON.
CREATE TABLE audit_checkpoints (
  number bigint PRIMARY KEY CHECK (number > 0),
  hash text NOT NULL UNIQUE,
  checkpoint text NOT NULL,
  signature text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION audit_only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: the audit log can only be added to', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;

-- The end of a chain moves forward only.
CREATE FUNCTION audit_head_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' OR NEW.writer <> OLD.writer OR NEW.sequence <= OLD.sequence THEN
    RAISE EXCEPTION '% of % is refused: the end of a chain only moves forward', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER audit_only_added BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_only_added();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_only_added();
CREATE TRIGGER audit_checkpoints_only_added BEFORE UPDATE OR DELETE ON audit_checkpoints
  FOR EACH ROW EXECUTE FUNCTION audit_only_added();
CREATE TRIGGER audit_checkpoints_not_emptied BEFORE TRUNCATE ON audit_checkpoints EXECUTE FUNCTION audit_only_added();
CREATE TRIGGER audit_heads_forward BEFORE UPDATE OR DELETE ON audit_heads
  FOR EACH ROW EXECUTE FUNCTION audit_head_forward();
CREATE TRIGGER audit_heads_not_emptied BEFORE TRUNCATE ON audit_heads EXECUTE FUNCTION audit_only_added();

-- also when a session plays the part of a replica (session_replication_role)
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_only_added;
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_not_emptied;
ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER audit_checkpoints_only_added;
ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER audit_checkpoints_not_emptied;
ALTER TABLE audit_heads ENABLE ALWAYS TRIGGER audit_heads_forward;
ALTER TABLE audit_heads ENABLE ALWAYS TRIGGER audit_heads_not_emptied;
`;
