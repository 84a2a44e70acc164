import type { Condition } from '@quorum-operator/operator/api/common.ts';
import type { Consortium } from '@quorum-operator/operator/api/consortium.ts';
import type { HsmSigner } from '@quorum-operator/operator/api/hsm-signer.ts';
import type { QuorumNode } from '@quorum-operator/operator/api/quorum-node.ts';
import type { TesseraNode } from '@quorum-operator/operator/api/tessera-node.ts';

/** All that `status` shows, as it was read; any part may be empty. */
export interface NetworkState {
  readonly consortiums: readonly Consortium[];
  readonly quorumNodes: readonly QuorumNode[];
  readonly tesseraNodes: readonly TesseraNode[];
  readonly hsmSigners: readonly HsmSigner[];
}

type Row = readonly string[];

/** A network at a glance: what there is, who seals, and for each thing that is not Ready, why. */
export function renderStatus(state: NetworkState, now: Date): string {
  if (state.consortiums.length === 0) return 'No Consortium in this cluster.\n';
  return state.consortiums.map((consortium) => renderConsortium(consortium, state, now)).join('\n');
}

function renderConsortium(consortium: Consortium, state: NetworkState, now: Date): string {
  const belongs = (object: { spec: { consortiumRef: { name: string } } }) =>
    object.spec.consortiumRef.name === consortium.metadata.name;
  const nodes = state.quorumNodes.filter(belongs);
  const tesseras = state.tesseraNodes.filter(belongs);
  const signers = state.hsmSigners.filter(belongs);
  const genesis = consortium.status?.genesis;
  const title = [
    `Consortium ${consortium.metadata.name}`,
    `chain ${consortium.spec.chainId ?? genesis?.chainId ?? '?'}`,
    consortium.spec.environment,
    readyWord(consortium),
  ].join(', ');
  return [
    title,
    '',
    table([
      ['NODE', 'ROLE', 'READY', 'SEALS', 'PEERS', 'BLOCK', 'BLOCK AGE'],
      ...nodes.map((node) => nodeRow(node, now)),
    ]),
    ...(tesseras.length === 0 ? [] : [table([['TESSERA', 'READY', 'KEYS'], ...tesseras.map(tesseraRow)])]),
    ...(signers.length === 0 ? [] : [table([['SIGNER', 'READY', 'ACCOUNTS'], ...signers.map(signerRow)])]),
    troubles([consortium, ...nodes, ...tesseras, ...signers]),
  ].join('\n');
}

function condition(object: { status?: { conditions?: Condition[] } }, type: string): Condition | undefined {
  return object.status?.conditions?.find((entry) => entry.type === type);
}

function readyWord(object: { status?: { conditions?: Condition[] } }): string {
  const ready = condition(object, 'Ready');
  if (ready === undefined) return 'not seen by the operator';
  return ready.status === 'True' ? 'Ready' : `not Ready (${ready.reason})`;
}

function yesNo(status: string | undefined): string {
  return status === undefined ? '-' : status === 'True' ? 'yes' : 'no';
}

const name = ({ metadata }: { metadata: { namespace?: string; name: string } }) =>
  metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;

function nodeRow(node: QuorumNode, now: Date): Row {
  const block = node.status?.lastBlock;
  return [
    name(node),
    node.spec.role,
    yesNo(condition(node, 'Ready')?.status),
    node.spec.role === 'Validator' ? yesNo(condition(node, 'Sealing')?.status) : '-',
    String(node.status?.peers ?? '-'),
    String(block?.number ?? '-'),
    block === undefined ? '-' : age(new Date(block.time), now),
  ];
}

function tesseraRow(tessera: TesseraNode): Row {
  return [
    name(tessera),
    yesNo(condition(tessera, 'Ready')?.status),
    (tessera.status?.publicKeys ?? []).join(' ') || '-',
  ];
}

function signerRow(signer: HsmSigner): Row {
  const accounts = (signer.status?.accounts ?? []).map((account) => `${account.name}=${account.address}`);
  return [name(signer), yesNo(condition(signer, 'Ready')?.status), accounts.join(' ') || '-'];
}

/** Whole seconds below two minutes, then minutes; status rows are written at most once a minute. */
function age(since: Date, now: Date): string {
  const seconds = Math.max(0, Math.round((now.getTime() - since.getTime()) / 1000));
  return seconds < 120 ? `${seconds}s` : `${Math.floor(seconds / 60)}m`;
}

function troubles(
  objects: readonly {
    kind: string;
    metadata: { namespace?: string; name: string };
    status?: { conditions?: Condition[] };
  }[],
): string {
  const lines = objects.flatMap((object) => {
    const ready = condition(object, 'Ready');
    if (ready?.status === 'True') return [];
    const why = ready === undefined ? 'the operator has not seen it yet' : `${ready.reason}: ${ready.message}`;
    return [`  ${object.kind} ${name(object)}: ${why}`];
  });
  return lines.length === 0 ? 'Nothing is wrong.\n' : `What is wrong, and why:\n${lines.join('\n')}\n`;
}

function table(rows: readonly Row[]): string {
  const widths = (rows[0] as Row).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: Row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}
