import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { TesseraNode } from '../../api/tessera-node.ts';
import { bundle } from '../../pki/authority.ts';
import { decideClaims } from '../claims.ts';
import { memberDirectory } from '../members.ts';
import type { Observation } from '../observation.ts';
import { consortium, fakePem, fixedIdentity, observe, quorumNode, withNode, withOrganization } from '../testing.ts';
import { authoritySecret } from './authority-secret.ts';
import { type Child, children, foundation } from './children.ts';
import { genesisConfigMap } from './genesis-config-map.ts';
import { nodeKeySecret } from './node-key-secret.ts';

function yaml(list: readonly Child[]): string {
  return list.map(({ manifest }) => stringify(manifest, { lineWidth: 0 })).join('---\n');
}

function of(observation: Observation): Child[] {
  return children(observation, memberDirectory(observation));
}

function members(observation: Observation) {
  const directory = memberDirectory(observation);
  if (!directory) throw new Error('no directory');
  return directory;
}

const place = { consortium: 'demo', organization: 'alpha', namespace: 'demo-alpha' };

describe('manifests (golden files; update with vitest -u and read the difference)', () => {
  it('namespace and rights', async () => {
    const [claim] = decideClaims(consortium(), [], new Map());
    const list = foundation('demo', claim!, { namespace: 'quorum-operator', serviceAccount: 'quorum-operator' });
    await expect(yaml(list)).toMatchFileSnapshot('../golden/foundation.yaml');
  });

  it('children of one organization', async () => {
    const alpha = of(observe()).filter(({ manifest }) => manifest.metadata.namespace === 'demo-alpha');
    await expect(yaml(alpha)).toMatchFileSnapshot('../golden/children.yaml');
  });

  it('what is created once', async () => {
    const key = { nodekey: '0'.repeat(63).concat('1'), ...fixedIdentity('golden') };
    const list = [
      nodeKeySecret({ ...place, node: 'alpha-validator' }, key),
      authoritySecret(place, { certificatePem: fakePem('alpha'), keyPem: 'PRIVATE' }),
      genesisConfigMap(place, { 'genesis.json': '{}', configHash: 'ab' }),
    ];
    await expect(list.map((manifest) => stringify(manifest)).join('---\n')).toMatchFileSnapshot(
      '../golden/created-once.yaml',
    );
  });
});

describe('children', () => {
  it('have no owner, so that no deletion of a Consortium opens or empties a namespace', () => {
    for (const { manifest } of of(observe()))
      expect(manifest.metadata.ownerReferences, manifest.metadata.name).toBeUndefined();
  });

  it('are the same bytes for the same observation', () => {
    expect(yaml(of(observe()))).toBe(yaml(of(observe())));
  });

  it('never hold a secret', () => {
    expect(of(observe()).map(({ manifest }) => manifest.kind)).not.toContain('Secret');
  });

  it('leave bundle and directory as they are while a member is unknown', () => {
    const names = (observation: Observation) => of(observation).map(({ manifest }) => manifest.metadata.name);
    expect(names(observe())).toContain('members-ca');
    expect(names(withOrganization(observe(), 'delta', { authority: { kind: 'absent' } }))).not.toContain('members-ca');
    expect(names(observe())).toContain('demo-members');
    expect(names(withNode(observe(), 'delta-validator', { key: { kind: 'absent' } }))).not.toContain('demo-members');
    expect(names(withNode(observe(), 'delta-validator', { clusterIP: undefined }))).not.toContain('demo-members');
  });

  it('put nothing into a namespace that is blocked', () => {
    const base = observe();
    const blocked: Observation = { ...base, organizations: base.organizations.slice(1), nodes: base.nodes.slice(1) };
    expect(of(blocked).some(({ manifest }) => manifest.metadata.namespace === 'demo-alpha')).toBe(false);
  });
});

describe('the bundle of authorities', () => {
  it('has each certificate once', () => {
    expect(bundle([fakePem('a'), fakePem('b') + fakePem('a'), ''])).toBe(fakePem('a') + fakePem('b'));
  });

  it('holds those of members elsewhere, in the order of names', () => {
    const spec = {
      organizations: [{ name: 'zulu' }, { name: 'alpha', hosted: false, remote: { caBundle: fakePem('elsewhere') } }],
      validators: [{ organization: 'zulu', node: 'zulu-validator' }],
    };
    const configMap = of(observe(consortium(spec))).find(({ manifest }) => manifest.metadata.name === 'members-ca');
    expect(configMap?.manifest.data['ca.crt']).toBe(fakePem('elsewhere') + fakePem('zulu'));
  });
});

describe('the member directory', () => {
  it('has members that are no validators once their key and address are known', () => {
    const base = observe();
    const member = {
      organization: 'alpha',
      namespace: 'demo-alpha',
      name: 'alpha-member',
      declared: false,
      volume: false,
      quorumNode: quorumNode(false, 'Member'),
    };
    const identity = fixedIdentity('alpha-member');
    const pending: Observation = { ...base, nodes: [...base.nodes, { ...member, key: { kind: 'absent' } }] };
    expect(members(pending).organizations[0]!.nodes.map((node) => node.name)).toEqual(['alpha-validator']);
    const known: Observation = {
      ...base,
      nodes: [...base.nodes, { ...member, key: { kind: 'present', value: identity }, clusterIP: 'fd00::9' }],
    };
    expect(members(known).organizations[0]!.nodes[0]).toEqual({
      name: 'alpha-member',
      namespace: 'demo-alpha',
      role: 'Member',
      publicKey: identity.publicKey,
      address: identity.address,
      enode: `enode://${identity.publicKey}@[fd00::9]:30303?discport=0`,
      validator: false,
    });
  });

  it('has transaction managers with their URL, and keys once known', () => {
    const tessera = (publicKeys?: string[]) =>
      ({
        metadata: { name: 'alpha-tessera', namespace: 'demo-alpha' },
        status: { publicKeys },
      }) as unknown as TesseraNode;
    const url = 'https://alpha-tessera.demo-alpha.svc.cluster.local:9000/';
    const at = (node: TesseraNode) =>
      members(withOrganization(observe(), 'alpha', { tesseraNodes: [node] })).organizations[0]!.tesseras;
    expect(at(tessera())).toEqual([{ name: 'alpha-tessera', namespace: 'demo-alpha', url }]);
    expect(at(tessera(['b', 'a']))).toMatchObject([{ url, keys: ['a', 'b'] }]);
  });

  it('has what remote organizations gave, each node once', () => {
    const [validator, other] = [fixedIdentity('v'), fixedIdentity('o')];
    const enodes = [
      `enode://${validator.publicKey}@198.51.100.1:30303`,
      `enode://${other.publicKey}@198.51.100.2:30303`,
    ];
    const directory = members(
      observe(
        consortium({
          organizations: [
            { name: 'alpha' },
            {
              name: 'echo',
              hosted: false,
              jurisdictions: ['eu'],
              remote: { enodes, tesseraUrls: ['https://tm.echo.example:9000'], cidrs: ['198.51.100.0/24'] },
            },
          ],
          validators: [
            { organization: 'alpha', node: 'alpha-validator' },
            { organization: 'echo', address: validator.address, enode: enodes[0] },
          ],
        }),
      ),
    );
    expect(directory.organizations[1]).toMatchObject({
      name: 'echo',
      hosted: false,
      jurisdictions: ['eu'],
      cidrs: ['198.51.100.0/24'],
      tesseras: [{ name: 'tm.echo.example', url: 'https://tm.echo.example:9000/' }],
    });
    const nodes = directory.organizations[1]!.nodes.map(({ address, validator: votes, role }) => ({
      address,
      votes,
      role,
    }));
    expect(nodes).toHaveLength(2);
    expect(nodes).toContainEqual({ address: validator.address, votes: true, role: 'Validator' });
    expect(nodes).toContainEqual({ address: other.address, votes: false, role: 'Member' });
  });
});
