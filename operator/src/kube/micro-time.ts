/** metav1.MicroTime: RFC 3339 with six fractional digits. A plain ISO time is refused for leases and events. */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
