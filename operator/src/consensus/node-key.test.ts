import { computeAddress, SigningKey } from 'ethers';
import { describe, expect, it } from 'vitest';
import type { MemberDirectory } from '../consortium/directory.ts';
import { enodeUrl, generateNodeKey, identityOfPublicKey, nodeIdentity, parseEnode } from './node-key.ts';
import { faultTolerance, quorumSize } from './quorum.ts';
import { permissionedNodes, staticNodes } from './static-nodes.ts';

describe('node keys', () => {
  it('agree with another implementation of secp256k1', () => {
    for (let i = 0; i < 20; i += 1) {
      const key = generateNodeKey();
      const other = new SigningKey(`0x${key.nodekey}`);
      expect(key.nodekey).toMatch(/^[0-9a-f]{64}$/);
      expect(`0x04${key.publicKey}`).toBe(other.publicKey);
      expect(key.address).toBe(computeAddress(other).toLowerCase());
      expect(key.nodeId.slice(-40)).toBe(key.address.slice(2));
    }
  });

  it('are read as geth reads them, with a new line at the end', () => {
    const key = generateNodeKey();
    expect(nodeIdentity(`${key.nodekey.toUpperCase()}\n`)).toEqual(identityOfPublicKey(key.publicKey));
  });

  it.each(['', 'abcd', `0x${'11'.repeat(32)}`, '00'.repeat(32), 'ff'.repeat(32)])(
    'refuses %j without printing it',
    (text) => {
      expect(() => nodeIdentity(text)).toThrow(/node key|private key/);
      if (text !== '') expect(() => nodeIdentity(text)).not.toThrow(text);
    },
  );
});

describe('enode URLs', () => {
  const { publicKey } = generateNodeKey();
  it.each([
    ['10.96.0.10', `enode://${publicKey}@10.96.0.10:30303?discport=0`],
    ['fd00::1', `enode://${publicKey}@[fd00::1]:30303?discport=0`],
    ['node.example.org', `enode://${publicKey}@node.example.org:30303?discport=0`],
  ])('by %s', (host, url) => {
    expect(enodeUrl(publicKey, host)).toBe(url);
    expect(parseEnode(url)).toEqual({ publicKey, host, port: 30303 });
  });

  it.each([
    '',
    'enode://abc@1.2.3.4:30303',
    `enode://${publicKey}@1.2.3.4`,
    `enode://${publicKey}@1.2.3.4:70000`,
    `http://${publicKey}@a:1`,
  ])('does not take %j for one', (url) => expect(parseEnode(url)).toBeUndefined());
});

describe('lists of nodes', () => {
  const node = (name: string, digit: string) => ({
    name,
    namespace: 'demo-alpha',
    role: 'Validator' as const,
    publicKey: digit.repeat(128),
    address: `0x${digit.repeat(40)}`,
    enode: enodeUrl(digit.repeat(128), `10.0.0.${digit}`),
    validator: true,
  });
  const directory: MemberDirectory = {
    consortium: 'demo',
    chainId: 83210,
    organizations: [
      {
        name: 'alpha',
        hosted: true,
        jurisdictions: [],
        nodes: [node('a', '1'), node('b', '2')],
        tesseras: [],
        cidrs: [],
      },
      { name: 'bravo', hosted: false, jurisdictions: [], nodes: [node('c', '3')], tesseras: [], cidrs: [] },
    ],
  };

  it('static-nodes.json has every node but the node itself', () => {
    expect(JSON.parse(staticNodes(directory, { publicKey: '2'.repeat(128) }))).toEqual([
      enodeUrl('1'.repeat(128), '10.0.0.1'),
      enodeUrl('3'.repeat(128), '10.0.0.3'),
    ]);
  });

  it('permissioned-nodes.json has every id by an address that needs no look-up', () => {
    const entries: string[] = JSON.parse(permissionedNodes(directory));
    expect(entries).toEqual(['1', '2', '3'].map((digit) => `enode://${digit.repeat(128)}@0.0.0.0:1?discport=0`));
    expect(entries.every((entry) => parseEnode(entry))).toBe(true);
  });

  it('are valid JSON with no node at all', () => {
    expect(JSON.parse(staticNodes({ ...directory, organizations: [] }, { publicKey: '' }))).toEqual([]);
  });
});

describe('quorum', () => {
  it.each([
    [1, 0, 1],
    [3, 0, 2],
    [4, 1, 3],
    [5, 1, 4],
    [6, 1, 4],
    [7, 2, 5],
    [10, 3, 7],
  ])('of %i validators: f = %i, %i votes seal', (n, f, q) => {
    expect([faultTolerance(n), quorumSize(n)]).toEqual([f, q]);
  });
});
