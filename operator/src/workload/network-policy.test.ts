import { describe, expect, it } from 'vitest';
import { peersOfHost, policySpec } from './network-policy.ts';

describe('where a host is', () => {
  it.each([
    ['192.0.2.7', [{ ipBlock: { cidr: '192.0.2.7/32' } }]],
    ['2001:db8::7', [{ ipBlock: { cidr: '2001:db8::7/128' } }]],
    ['db.data.svc', [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'data' } } }]],
    ['db.data.svc.cluster.local', [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'data' } } }]],
    ['db.example.com', [{ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '::/0' } }]],
  ])('%s', (host, peers) => expect(peersOfHost(host)).toEqual(peers));
});

describe('a policy', () => {
  it('has no rule without peers, which would mean everybody', () => {
    const spec = policySpec({ a: 'b' }, [{ port: 1, peers: [] }], [{ port: 2, peers: [] }]);
    expect(spec).toMatchObject({ ingress: [], egress: [], policyTypes: ['Ingress', 'Egress'] });
  });
});
