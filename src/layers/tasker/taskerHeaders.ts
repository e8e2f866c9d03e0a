import { Context, type Fiber, Random, Tracer } from "effect"

/** What a header carries as it is: visible ASCII, but for `%`, which would make the rest ambiguous. */
const notPlain = /[^\x21-\x24\x26-\x7e]+/g

/**
 * Any text as the value of a header. A plain id goes as it is; every other character (and `%` itself)
 * as its UTF-8 in percent-encoding, so that nothing can end the header or the line, and
 * `decodeURIComponent` gives the text back. Owner ids may be any string; `actor` in the body of a
 * write has them unencoded.
 */
export const headerValue = (text: string): string =>
  text.toWellFormed().replace(notPlain, (part) => encodeURIComponent(part))

/** W3C Trace Context, version 00. */
const form = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** Of the current span; where there is none, a trace of its own that nobody has sampled. */
export const traceparent = (fiber: Fiber.Fiber<unknown, unknown>): string => {
  const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  if (span !== undefined) {
    const value = `00-${span.traceId.padStart(32, "0")}-${span.spanId}-${span.sampled ? "01" : "00"}`
    if (form.test(value)) return value
  }
  const random = fiber.getRef(Random.Random)
  // Never zero, which the standard reserves for "invalid".
  const word = () => (1 + Math.floor(random.nextDoubleUnsafe() * 0xffff_ffff)).toString(16).padStart(8, "0")
  return `00-${word()}${word()}${word()}${word()}-${word()}${word()}-00`
}
