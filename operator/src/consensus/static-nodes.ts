import { allNodes, type MemberDirectory } from '../consortium/directory.ts';

/**
 * `static-nodes.json`: enode URLs of every other node. A node dials all of them and dials again when one is lost.
 * geth reads it once at its start; nodes that come later dial in themselves or are added through the door.
 * @param self public key of the node the file is for; it is left out.
 */
export function staticNodes(directory: MemberDirectory, self: { readonly publicKey: string }): string {
  const others = allNodes(directory).filter((node) => node.publicKey !== self.publicKey);
  return lines(others.map((node) => node.enode));
}

/**
 * `permissioned-nodes.json`: who may connect. geth compares the node id alone but wants an address that parses, and denies a peer whose host name
 * does not resolve, so a dummy address is given. It reads the file at every handshake; the node's own entry is harmless and keeps the
 * file equal on all nodes.
 */
export function permissionedNodes(directory: MemberDirectory): string {
  return lines(allNodes(directory).map((node) => `enode://${node.publicKey}@0.0.0.0:1?discport=0`));
}

/** One entry a line, each once, in one order, so that the text changes only when a member does. */
function lines(urls: readonly string[]): string {
  const unique = [...new Set(urls)].sort();
  return unique.length === 0 ? '[]\n' : `[\n${unique.map((url) => `  ${JSON.stringify(url)}`).join(',\n')}\n]\n`;
}
