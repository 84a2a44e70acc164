import type { KubeObject } from '../../kube/types.ts';
import { objectNames } from '../../names.ts';
import { manifest } from '../../workload/manifest.ts';
import { type SignerFrame, signerLabels } from '../frame.ts';

export const DATABASE = 'signer';
export const DATABASE_USER = 'signer';

/** Where things are in the database's container. */
export const postgresPaths = {
  config: '/etc/quorum/postgres',
  tls: '/etc/quorum/tls',
  organizationCa: '/etc/quorum/organization-ca',
  volume: '/var/lib/postgresql',
  data: '/var/lib/postgresql/data',
  run: '/run/postgresql',
} as const;

/**
 * Common name of the client certificate that opens the database. It holds dots, which no name of a node has: a node's own
 * certificate, from the same authority, must not open the database.
 */
export function databaseCommonName(signer: string): string {
  return `${signer}.signer.database`;
}

const clientAuthentication = `# The signing sidecars, by certificate. Everything else is refused: other users, plain connections, local ones.
hostssl ${DATABASE} ${DATABASE_USER} all cert map=signers
`;

const settings = `listen_addresses = '*'
port = 5432
unix_socket_directories = '${postgresPaths.run}'
hba_file = '${postgresPaths.config}/pg_hba.conf'
ident_file = '${postgresPaths.config}/pg_ident.conf'
ssl = on
ssl_min_protocol_version = 'TLSv1.3'
ssl_cert_file = '${postgresPaths.tls}/tls.crt'
ssl_key_file = '${postgresPaths.tls}/tls.key'
ssl_ca_file = '${postgresPaths.organizationCa}/ca.crt'
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '64MB'
jit = off
log_connections = off
log_statement = 'none'
timezone = 'UTC'
log_timezone = 'UTC'
`;

/** A new cluster is made beside its place and moved there when complete, so that a stop in between leaves nothing half made. */
const start = `#!/bin/sh
set -eu
umask 077
data=${postgresPaths.data}

# initdb looks its own user up. Images that do not know this one bring a library for that.
if ! id -un >/dev/null 2>&1; then
  for library in /usr/lib/*/libnss_wrapper.so /usr/lib/libnss_wrapper.so; do
    if [ -e "$library" ]; then
      echo "database:x:$(id -u):$(id -g)::/nonexistent:/bin/false" > ${postgresPaths.run}/passwd
      echo "database:x:$(id -g):" > ${postgresPaths.run}/group
      export LD_PRELOAD="$library" NSS_WRAPPER_PASSWD=${postgresPaths.run}/passwd NSS_WRAPPER_GROUP=${postgresPaths.run}/group
    fi
  done
fi

if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data.new"
  initdb --pgdata="$data.new" --username=postgres --auth=reject --encoding=UTF8 --locale=C.UTF-8 --data-checksums
  postgres --single -D "$data.new" postgres <<'SQL'
CREATE ROLE ${DATABASE_USER} LOGIN;
SQL
  postgres --single -D "$data.new" postgres <<'SQL'
CREATE DATABASE ${DATABASE} OWNER ${DATABASE_USER};
SQL
  mv "$data.new" "$data"
  sync
fi

# The server reads its certificate when it is told to; certificates are renewed in place.
tls() { cat ${postgresPaths.tls}/tls.crt ${postgresPaths.organizationCa}/ca.crt | cksum; }
server=$$
(
  before=$(tls)
  while sleep 30; do
    now=$(tls) || continue
    if [ "$now" != "$before" ]; then
      before=$now
      kill -HUP "$server" || exit 0
    fi
  done
) &

exec postgres -D "$data" -c config_file=${postgresPaths.config}/postgresql.conf
`;

/** ConfigMap `<signer>-postgres`: settings, who may connect, and how the server is started. Nothing in it is secret. */
export function postgresConfigMap(frame: SignerFrame): KubeObject {
  return manifest(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: objectNames.postgres(frame.name),
      namespace: frame.namespace,
      labels: signerLabels(frame, 'postgres'),
      owner: frame.owner,
    },
    {
      data: {
        'pg_hba.conf': clientAuthentication,
        'pg_ident.conf': `signers ${databaseCommonName(frame.name)} ${DATABASE_USER}\n`,
        'postgresql.conf': settings,
        'start.sh': start,
      },
    },
  );
}
