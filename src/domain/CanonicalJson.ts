import canonicalize from "canonicalize"

/**
 * The JSON Canonicalization Scheme (RFC 8785): one text for one value, whatever the order of its
 * keys. Takes JSON values only; a member that is `undefined` counts as absent.
 */
export const canonicalJson = (value: unknown): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError("Only JSON values have a canonical form")
  return text
}
