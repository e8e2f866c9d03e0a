import { Effect, Predicate, Result, type Schema, SchemaIssue, SchemaParser } from "effect"
import { holdsSecret } from "../../domain/Token.ts"
import { stripInvisible } from "../../text/PlainText.ts"
import type { Reply } from "./TaskerHttp.ts"
import { type ByRow, parsedAtOnce, readByRow } from "./taskerRows.ts"

/**
 * What came back, read: bytes to JSON to typed values, and Tasker's error texts to something that may
 * be shown. Nothing here throws, whatever the bytes are.
 */

const json = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i
const utf8 = new TextDecoder("utf-8", { fatal: true })
/** Escapes of what no text of Tasker's can hold (PostgreSQL stores neither) and ours must not: NUL, surrogates. */
const escapes = /\\u(?:0000|d[89a-f])/i

const header = (reply: Reply, name: string): string => {
  const value = reply.headers[name]
  return typeof value === "string" ? value : ""
}

/** The JSON of a body; fails with what it is instead. */
export const readJson = (reply: Reply): Result.Result<unknown, string> => {
  return isJson(reply) ? parseJson(reply.body) : Result.fail("its answer is not JSON by its content type")
}

const isJson = (reply: Reply): boolean => json.test(header(reply, "content-type"))

const parseJson = (bytes: Uint8Array): Result.Result<unknown, string> => {
  try {
    const text = utf8.decode(bytes)
    return Result.succeed(escapes.test(text) ? JSON.parse(text, storable) : JSON.parse(text))
  } catch {
    return Result.fail("its answer is not well-formed JSON")
  }
}

/** Reads a reply to a value, in slices if it is long and consists of rows. */
export const readValue = <A>(
  reply: Reply,
  call: {
    readonly decode: (json: unknown) => Result.Result<A, string>
    readonly byRow?: ByRow<A>
  }
): Effect.Effect<Result.Result<A, string>> => {
  const { byRow, decode } = call
  const atOnce = Effect.sync(() => Result.flatMap(readJson(reply), decode))
  return byRow === undefined || reply.body.length <= parsedAtOnce || !isJson(reply)
    ? atOnce
    : Effect.flatMap(readByRow(reply.body, byRow, parseJson), (value) =>
        value === undefined ? atOnce : Effect.succeed(value)
      )
}

const storable = (_: string, value: unknown): unknown =>
  typeof value === "string" ? value.replaceAll("\0", "").toWellFormed() : value

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Decodes an answer; fails with the place of the first fault and never with what stands there. */
export const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = SchemaParser.decodeUnknownResult(schema)
  return (value: unknown): Result.Result<S["Type"], string> =>
    Result.mapError(decode(value), (issue) => {
      const path = formatIssue(issue).issues[0]?.path ?? []
      const place = path.map((key) => String(typeof key === "object" ? key.key : key)).join(".")
      return `${place === "" ? "its answer" : `\`${place}\` in its answer`} is missing or of another form`
    })
}

/** The seconds that a `Retry-After` asks to wait, by number or date (RFC 9110, 10.2.3), as it says them. */
export const retryAfter = (reply: Reply, nowMillis: number): number | undefined => {
  const text = header(reply, "retry-after").trim()
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : (httpDate(text) - nowMillis) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

/** The same as callers are told: whole seconds, 1 to an hour. */
export const retryAfterSeconds = (reply: Reply, nowMillis: number): number | undefined => {
  const seconds = retryAfter(reply, nowMillis)
  return seconds === undefined ? undefined : Math.min(3600, Math.max(1, Math.ceil(seconds)))
}

/** `Date.parse` alone takes nearly anything for a date, "-5" included. */
const httpDate = (text: string): number =>
  /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(text) ? Date.parse(text) : Number.NaN

/** The words of an error document, fit to be shown. */
export interface Spoken {
  /** All of it in one line. */
  readonly text: string
  /** The same, for the details of a failure. */
  readonly said: Readonly<Record<string, unknown>>
}

const longestText = 300
const mostFields = 20

/**
 * The words of an error body: the contract's `{error, detail?, fields?}`, or as Plane says it, by `detail`
 * alone, by `error_message`, or by a list for each field. Undefined if it has none of these forms. `secrets`
 * are the values that must not be shown even if Tasker repeats them.
 */
export const spokenIn = (body: unknown, secrets: ReadonlyArray<string>): Spoken | undefined => {
  if (!Predicate.isObject(body)) return undefined
  const show = (value: unknown) => shown(value, secrets)
  const given = (value: unknown) => (value === undefined || value === null ? undefined : show(value))
  const error = [body.error, body.error_message].find((text) => typeof text === "string")
  const isPlain = error !== undefined || typeof body.detail === "string"
  const faults = isPlain ? body.fields : body
  const fields = Predicate.isObject(faults)
    ? Object.entries(faults)
        .filter(([, fault]) => isPlain || (typeof fault === "object" && fault !== null))
        .slice(0, mostFields)
        .map(([name, fault]) => [show(name), show(fault)] as const)
    : []
  if (!isPlain && fields.length === 0) return undefined
  const said = { error: given(error), detail: isPlain ? given(body.detail) : undefined }
  return {
    text: [said.error, said.detail, ...fields.map(([name, fault]) => `${name}: ${fault}`)]
      .filter((part) => part !== undefined && part !== "")
      .join("; ")
      .slice(0, 2 * longestText)
      .toWellFormed(),
    said: {
      ...(said.error === undefined ? {} : { error: said.error }),
      ...(said.detail === undefined ? {} : { detail: said.detail }),
      ...(fields.length === 0 ? {} : { fields: Object.fromEntries(fields) })
    }
  }
}

/** One line of Tasker's, without what is invisible, secret or too long. */
const shown = (value: unknown, secrets: ReadonlyArray<string>): string => {
  const text = stripInvisible(plain(value)).replace(/\s+/g, " ").trim()
  if (holdsSecret(text)) return "(withheld: it held a secret)"
  const redacted = secrets.reduce((rest, secret) => rest.replaceAll(secret, "(withheld)"), text)
  return redacted.length > longestText ? `${redacted.slice(0, longestText).toWellFormed()}…` : redacted
}

const plain = (value: unknown): string => {
  if (typeof value === "string") return value
  if (isTexts(value)) return value.join("; ")
  // Faults of a list's items, by their places.
  if (Predicate.isObject(value) && Object.values(value).every(isTexts)) {
    return Object.values(value).flat().join("; ")
  }
  try {
    return JSON.stringify(value) ?? ""
  } catch {
    return ""
  }
}

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")
