const NO_CORE_DUMPS = 'ulimit -c 0 && echo 0 > /proc/self/coredump_filter';

/**
 * Container `command` that turns core dumps off and then becomes the program, so that the program itself gets SIGTERM.
 * A pod cannot set RLIMIT_CORE; and where the host pipes cores to a collector the limit is ignored, but the (inherited)
 * coredump filter of 0 leaves such a dump without memory. If either fails, the container does not start.
 * The program's arguments go into the container's `args`.
 */
export function hardenedCommand(program: string, before: readonly string[] = []): string[] {
  const script = [NO_CORE_DUMPS, ...before, `exec ${program} "$@"`].join(' && ');
  return ['/bin/sh', '-c', script, program];
}
