/** The text of an IPv4 address at a place of a buffer. */
export function textOfIpv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The text of an IPv6 address, in the form of RFC 5952. */
export function textOfIpv6(bytes: Uint8Array, at: number): string {
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0),
  );
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${textOfIpv4(bytes, at + 12)}`;
  }
  const text = groups.map((group) => group.toString(16));
  const zeros = longestZeros(groups);
  if (zeros === undefined) return text.join(':');
  return `${text.slice(0, zeros.begin).join(':')}::${text.slice(zeros.begin + zeros.length).join(':')}`;
}

/** The longest run of two groups or more that are 0. */
function longestZeros(groups: readonly number[]): { begin: number; length: number } | undefined {
  let longest: { begin: number; length: number } | undefined;
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > (longest?.length ?? 1)) longest = { begin: i + 1 - length, length };
  }
  return longest;
}
