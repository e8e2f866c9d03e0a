import { isIP } from "node:net"
import { Option, Redacted, Result } from "effect"

/** Readers of environment variables. Each fails with what it expected, and never repeats the value. */

/** One environment variable. `read` fails with what was expected, and never repeats the value. */
export interface Variable<A> {
  readonly name: string
  readonly read: (text: string | undefined) => Result.Result<A, string>
}

export const variable = <A>(name: string, read: Variable<A>["read"]): Variable<A> => ({ name, read })

export const optional =
  <A>(read: (text: string) => Result.Result<A, string>) =>
  (text: string | undefined): Result.Result<Option.Option<A>, string> =>
    text === undefined ? Result.succeed(Option.none()) : Result.map(read(text), Option.some)

export const withDefault =
  <A>(fallback: A, read: (text: string) => Result.Result<A, string>) =>
  (text: string | undefined): Result.Result<A, string> =>
    text === undefined ? Result.succeed(fallback) : read(text)

export const integer =
  (minimum: number, maximum: number) =>
  (text: string): Result.Result<number, string> => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= minimum && value <= maximum
      ? Result.succeed(value)
      : Result.fail(`expected a whole number from ${minimum} to ${maximum}`)
  }

export const oneOf =
  <const A extends string>(choices: ReadonlyArray<A>) =>
  (text: string): Result.Result<A, string> => {
    const found = choices.find((choice) => choice === text.toLowerCase())
    return found === undefined ? Result.fail(`expected one of ${choices.join(", ")}`) : Result.succeed(found)
  }

const url =
  (protocols: ReadonlyArray<string>) =>
  (text: string): Result.Result<URL, string> => {
    const expected = `expected an absolute URL starting with ${protocols.map((p) => `${p}//`).join(" or ")}`
    if (!URL.canParse(text)) return Result.fail(expected)
    const parsed = new URL(text)
    return protocols.includes(parsed.protocol) ? Result.succeed(parsed) : Result.fail(expected)
  }

export const webUrl = (text: string): Result.Result<URL, string> =>
  Result.flatMap(url(["http:", "https:"])(text), (parsed) =>
    parsed.username !== "" || parsed.password !== "" || parsed.search !== "" || parsed.hash !== ""
      ? Result.fail("expected a URL without user, password, query and fragment")
      : Result.succeed(parsed)
  )

export const postgresUrl = (text: string): Result.Result<Redacted.Redacted<string>, string> =>
  Result.map(url(["postgres:", "postgresql:"])(text), () => Redacted.make(text, { label: "database URL" }))

export const secretOf =
  (minimum: number) =>
  (text: string): Result.Result<Redacted.Redacted<string>, string> => {
    if (!/^[\x21-\x7e]+$/.test(text)) return Result.fail("expected printable ASCII without spaces")
    return text.length < minimum
      ? Result.fail(`expected ${minimum} characters or more`)
      : Result.succeed(Redacted.make(text))
  }

/** Comma-separated items of one form. Fails with `expected` if one is of another. */
const listOf =
  (isItem: (item: string) => boolean, expected: string) =>
  (text: string): Result.Result<ReadonlyArray<string>, string> => {
    const items = text
      .split(",")
      .map((item) => item.trim().toLowerCase())
      .filter((item) => item !== "")
    return items.every(isItem) ? Result.succeed(items) : Result.fail(expected)
  }

/** An IP address, of version 6 also in brackets, as a URL and a published port have it. Returned without them. */
export const address = (text: string): Result.Result<string, string> => {
  const plain = text.replace(/^\[(.*)\]$/, "$1")
  return isIP(plain) === 0 ? Result.fail("expected an IP address") : Result.succeed(plain)
}

/** A name or address alone, or with a port of its own: nothing of a URL around it. */
const hostForm = /^([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d{1,5})?$/

const isHost = (item: string): boolean => hostForm.test(item) && URL.canParse(`http://${item}`)

export const hostName = (text: string): Result.Result<string, string> =>
  isHost(text.toLowerCase()) && !/:\d+$/.test(text)
    ? Result.succeed(text.toLowerCase())
    : Result.fail("expected a host name such as host.docker.internal")

/** Host names and addresses, with a port if it is not the usual one. */
export const hosts = listOf(isHost, "expected host names such as chatgpt.com, comma-separated")

/** Origins as browsers send them (RFC 6454 section 6.2). `null` is every sandboxed page's and names nobody. */
export const origins = listOf(
  (item) =>
    /^https?:/.test(item) &&
    URL.canParse(item) &&
    new URL(item).origin === item &&
    isHost(new URL(item).host),
  "expected origins such as https://board.example, comma-separated: scheme, host and, if it is not the scheme's own, port"
)

/** Addresses and networks in CIDR notation. */
export const networks = listOf(
  (item) => isNetwork(item),
  "expected IP addresses or networks such as 10.0.0.0/8, comma-separated"
)

const isNetwork = (text: string): boolean => {
  const [address = "", prefix, ...rest] = text.split("/")
  const family = isIP(address)
  return (
    family !== 0 &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)))
  )
}

export const text = (value: string): Result.Result<string, string> => Result.succeed(value)

export const flag = (value: string): Result.Result<boolean, string> =>
  Result.map(oneOf(["true", "false"])(value), (word) => word === "true")

/** Comma-separated secrets. */
export const secrets = (value: string): Result.Result<ReadonlyArray<Redacted.Redacted<string>>, string> =>
  Result.all(
    value
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "")
      .map(secretOf(1))
  )
