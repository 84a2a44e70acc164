import { describe, expect, it } from 'vitest';
import { enodeUrl } from '../consensus/node-key.ts';
import { externalEndpoint } from './exposure.ts';
import { podPlanOf } from './plan.ts';
import { status } from './status.ts';
import { externalService, identities, NOW, observe, quorumNode } from './testing.ts';

const exposed = (exposure: object, service?: ReturnType<typeof externalService>) =>
  observe({ node: quorumNode({ exposure }), externalService: service });
const balancer = { type: 'LoadBalancer' };
const nodePort = { type: 'NodePort', address: '203.0.113.7' };

describe('where peers outside the cluster reach a node', () => {
  it.each([
    ['a given address', exposed({ type: 'Address', address: '203.0.113.7' }), '203.0.113.7', 30303],
    ['a given name with a port', exposed({ type: 'Address', address: 'n.example:7' }), 'n.example', 7],
    ['a given IPv6 address', exposed({ type: 'Address', address: '[2001:db8::7]' }), '2001:db8::7', 30303],
    [
      'a balancer',
      exposed(balancer, externalService('LoadBalancer', { ingress: [{ ip: '192.0.2.1' }] })),
      '192.0.2.1',
      30303,
    ],
    [
      'a balancer known by name',
      exposed(balancer, externalService('LoadBalancer', { ingress: [{ hostname: 'lb.example' }] })),
      'lb.example',
      30303,
    ],
    [
      'a balancer of several addresses',
      exposed(
        balancer,
        externalService('LoadBalancer', { ingress: [{ hostname: 'lb.example' }, { ip: '192.0.2.1' }] }),
      ),
      '192.0.2.1',
      30303,
    ],
    ['a node port', exposed(nodePort, externalService('NodePort', { nodePort: 31303 })), '203.0.113.7', 31303],
    [
      'a node port behind another port',
      exposed({ type: 'NodePort', address: '203.0.113.7:40000' }, externalService('NodePort', { nodePort: 31303 })),
      '203.0.113.7',
      40000,
    ],
  ])('is %s', (_, observation, host, port) => {
    expect(externalEndpoint(observation)).toEqual({ kind: 'known', host, port });
    expect(status(observation, { kind: 'ready', message: '' }, NOW).externalEnode).toBe(
      enodeUrl(identities.alpha.publicKey, host, port),
    );
  });

  it.each([
    ['a balancer without an address', exposed(balancer, externalService('LoadBalancer'))],
    [
      'a Service that still has the type of before',
      exposed(balancer, externalService('NodePort', { nodePort: 31303 })),
    ],
    ['a Service that does not exist', exposed(nodePort)],
  ])('is not known with %s', (_, observation) => {
    expect(externalEndpoint(observation).kind).toBe('pending');
    expect(status(observation, { kind: 'ready', message: '' }, NOW).externalEnode).toBeUndefined();
  });

  it('is nowhere unless asked for, and an enode of before goes', () => {
    const before = { ...quorumNode(), status: { externalEnode: 'enode://old' } };
    expect(externalEndpoint(observe()).kind).toBe('none');
    expect(status(observe({ node: before }), { kind: 'ready', message: '' }, NOW).externalEnode).toBeUndefined();
  });

  it('is told to geth where it is an IP address', () => {
    const told = (address: string) => podPlanOf(exposed({ type: 'Address', address }), 'door').externalAddress;
    expect(told('203.0.113.7:31303')).toBe('203.0.113.7');
    expect(told('node.example.com')).toBeUndefined();
  });
});
