import { beforeAll, describe, expect, test } from 'vitest';
import { ORGANIZATION_CLUSTER_ROLE } from '../../operator/src/names.ts';
import { render } from '../src/chart/helm.ts';
import { type AuditEntry, readAuditLog } from '../src/cluster/audit.ts';
import type { Cluster } from '../src/cluster/provider.ts';
import { OPERATOR_NAMESPACE } from '../src/demo/install.ts';
import { covers, type Grant, grantName, grantsOf, usesOf } from '../src/rbac/grants.ts';
import { unexplainedRefusals } from '../src/rbac/refusals.ts';
import { podFacts } from '../src/scenario/evidence.ts';
import { hasCluster, openStage } from '../src/scenario/stage.ts';

const ACCOUNT = { namespace: OPERATOR_NAMESPACE, name: 'quorum-operator' };
const USER = `system:serviceaccount:${ACCOUNT.namespace}:${ACCOUNT.name}`;
/** RoleBinding in an organization's namespace by which the operator has rights there. */
const BINDING = 'quorum-operator';

const OWNERS =
  'asked for by the admission plugin OwnerReferencesPermissionEnforcement, which clusters may have and this one has not';
const CERT_MANAGER = 'used where the Consortium names an issuer of cert-manager';
const ROLL_OUT = 'used after a roll-out, when nothing names the configuration of before any more';

/** Grants that a run of the scenarios may leave unused, and why the operator has them all the same. */
const EXCEPTIONS: Record<string, string> = {
  'cluster: bind clusterroles.rbac.authorization.k8s.io quorum-operator-organization':
    'asked for by the API server itself when the RoleBinding is made; no request has this verb',
  'cluster: update consortiums/finalizers.quorum-operator.io': OWNERS,
  'cluster: update hsmsigners/finalizers.quorum-operator.io': OWNERS,
  'cluster: update quorumnodes/finalizers.quorum-operator.io': OWNERS,
  'cluster: update tesseranodes/finalizers.quorum-operator.io': OWNERS,
  'cluster: create namespaces': 'the example brings its namespaces; the operator makes those that are missing',
  'cluster: get namespaces': 'read only where the cache does not know the namespace yet',
  'organizations: get certificates.cert-manager.io': CERT_MANAGER,
  'organizations: create certificates.cert-manager.io': CERT_MANAGER,
  'organizations: patch certificates.cert-manager.io': CERT_MANAGER,
  'organizations: patch certificates/status.cert-manager.io': CERT_MANAGER,
  'organizations: create persistentvolumeclaims':
    "the example's signers have a Postgres; an embedded database has a claim",
  'organizations: patch persistentvolumeclaims': 'used when a volume is asked to be larger',
  'organizations: get jobs.batch': 'read only where the Job exists and the cache does not know it yet',
  'organizations: list controllerrevisions.apps': ROLL_OUT,
  'organizations: delete secrets': ROLL_OUT,
  'organizations: delete pods': 'used in roll-outs',
};

/**
 * Runs after all other scenarios, over what they did: the API server's audit log holds every request that the operator made.
 */
describe.skipIf(!hasCluster())('the rights of the operator', () => {
  let cluster: Cluster;
  let entries: AuditEntry[];
  let grants: Grant[];
  /** Namespaces that belonged to an organization at any time. */
  let organizations: Set<string>;

  beforeAll(async () => {
    ({ cluster } = await openStage());
    entries = await readAuditLog(cluster.auditLog as string);
    grants = grantsOf((await render({ namespace: OPERATOR_NAMESPACE })) as never, ACCOUNT, ORGANIZATION_CLUSTER_ROLE);
    organizations = new Set(
      entries
        .filter(
          ({ resource, name, code, user }) =>
            resource === 'rolebindings' && name === BINDING && code < 300 && user === USER,
        )
        .flatMap(({ namespace }) => namespace ?? []),
    );
  });

  test('are granted to no more than is used, a short list with reasons excepted', ({ skip }) => {
    const whole = entries.some(({ verb, resource, name }) => verb === 'delete' && resource === 'quorumnodes' && name);
    skip(!whole, 'the scenarios that delete and heal have not run in this cluster');
    const uses = usesOf(entries.filter(({ user }) => user === USER));
    const unused = grants.filter((grant) => !uses.some((use) => covers(grant, use, organizations))).map(grantName);
    expect(unused.filter((grant) => !(grant in EXCEPTIONS))).toEqual([]);
    const granted = grants.map(grantName);
    expect(Object.keys(EXCEPTIONS).filter((grant) => !granted.includes(grant))).toEqual([]);
  });

  test('are enough: nothing was refused while they stood', () => {
    expect(unexplainedRefusals(entries, USER, BINDING)).toEqual([]);
  });

  test('are those of the roles that are installed', async () => {
    const { stdout } = await cluster.kubectl([
      'get',
      'clusterrole',
      'quorum-operator',
      ORGANIZATION_CLUSTER_ROLE,
      '-o',
      'json',
    ]);
    const { items } = JSON.parse(stdout) as { items: object[] };
    const installed = (items as { metadata: { name: string }; rules: object[] }[]).map(({ rules }) => rules);
    const rendered = (await render({ namespace: OPERATOR_NAMESPACE })) as unknown as {
      kind: string;
      rules: object[];
    }[];
    expect(installed).toEqual(rendered.filter(({ kind }) => kind === 'ClusterRole').map(({ rules }) => rules));
  });

  test('end at the process: own uid, no capability, seccomp, read-only root, in a namespace that enforces restricted', async () => {
    const { stdout: level } = await cluster.kubectl([
      'get',
      'namespace',
      OPERATOR_NAMESPACE,
      '-o',
      'jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}',
    ]);
    expect(level).toBe('restricted');
    const { stdout } = await cluster.kubectl([
      'get',
      'pods',
      '-n',
      OPERATOR_NAMESPACE,
      '-l',
      'app.kubernetes.io/component=operator',
      '--field-selector=status.phase=Running',
      '-o',
      'jsonpath={.items[*].metadata.name}',
    ]);
    const pods = stdout.split(' ');
    const facts = (await Promise.all(pods.map((pod) => podFacts(cluster, OPERATOR_NAMESPACE, pod)))).flat();
    expect(facts.length).toBeGreaterThan(0);
    for (const process of facts) {
      expect(process).toMatchObject({
        uid: 10000,
        gid: 10000,
        capEff: '0000000000000000',
        capBnd: '0000000000000000',
        noNewPrivs: true,
        seccomp: 2,
        rootWritable: false,
      });
    }
  });
});
