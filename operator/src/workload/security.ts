/**
 * Security context of a container under Pod Security `restricted`, with a user id of its own: the sidecar reads its
 * neighbours' /proc entries, and only a different uid keeps memory and environment closed to it.
 */
export function containerSecurityContext(uid: number): Record<string, unknown> {
  return {
    runAsNonRoot: true,
    runAsUser: uid,
    runAsGroup: uid,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** Pod-level part: volumes belong to the group, which is how containers of different users read their (0440) Secrets. */
export function podSecurityContext(fsGroup: number): Record<string, unknown> {
  return {
    runAsNonRoot: true,
    fsGroup,
    // Walking the chain database at every start to fix owners would take minutes; the root of the volume tells enough.
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** Fields that every pod of ours has besides its containers. */
export function podDefaults(fsGroup: number): Record<string, unknown> {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    shareProcessNamespace: true,
    securityContext: podSecurityContext(fsGroup),
  };
}

/** Mode of files from Secrets: owner and the pod's group read, nobody else. */
export const SECRET_MODE = 0o440;
